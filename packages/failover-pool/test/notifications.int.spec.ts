import { once, type EventEmitter } from "node:events";
import type { PoolClient } from "pg";
import { eventually } from "@understudy/testkit";
import type { FailoverPool } from "../src/index.ts";
import { startRig, type Rig } from "./rig.ts";

let rig: Rig;
let pool: FailoverPool;
let client: PoolClient;
let heard: string[];
let missed: unknown[];

beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());
beforeEach(async () => {
  pool = rig.pool({ max: 2 });
  client = await pool.connect();
  heard = [];
  missed = [];
  client.on("notification", ({ channel, payload }) => heard.push(`${channel}:${payload}`));
  (pool as EventEmitter).on("notificationsMissed", (event) => missed.push(event));
});
afterEach(async () => {
  client.release(true);
  await pool.end();
});

const notify = (channel: string, payload: string) => rig.direct.query("SELECT pg_notify($1, $2)", [channel, payload]);
const hears = (expected: readonly string[]) =>
  eventually(() => JSON.stringify(heard) === JSON.stringify(expected), { describe: `heard ${expected.join()}` });

describe("LISTEN on a client whose connection is lost", () => {
  it("is done again at once although nobody asks for anything, and what may have been missed is told", async () => {
    await client.query('LISTEN orders; LISTEN "Big Ones"');
    await notify("orders", "1");
    await hears(["orders:1"]);
    const told = once(client, "notificationsMissed");
    rig.link.reset();
    expect(await told).toEqual([{ channels: ["orders", "Big Ones"] }]);
    await notify("Big Ones", "2");
    await hears(["orders:1", "Big Ones:2"]);
    expect(missed).toEqual([{ channels: ["orders", "Big Ones"] }]);
  });

  it("is done again before the next statement, in a transaction too", async () => {
    await client.query("LISTEN orders");
    await client.query("BEGIN");
    await client.query("SELECT 1");
    rig.link.reset();
    await client.query("SELECT 2");
    await client.query("COMMIT");
    await notify("orders", "3");
    await hears(["orders:3"]);
    expect(missed).toHaveLength(1);
  });

  it("counts when its transaction has committed, run again or not", async () => {
    await client.query("BEGIN");
    await client.query("LISTEN kept");
    rig.link.reset();
    await client.query("COMMIT");
    await client.query("BEGIN");
    await client.query("LISTEN undone");
    await client.query("ROLLBACK");
    rig.link.reset();
    await client.query("SELECT 1");
    expect(missed).toEqual([{ channels: ["kept"] }]);
    await notify("undone", "4");
    await notify("kept", "5");
    await hears(["kept:5"]);
  });

  it("is over after UNLISTEN, and for the next user of the client", async () => {
    await client.query("LISTEN orders");
    await client.query("UNLISTEN *");
    rig.link.reset();
    await client.query("SELECT 1");
    expect(missed).toEqual([]);
  });

  it("is sent again when it was lost itself", async () => {
    const listening = client.query("LISTEN orders");
    rig.link.reset();
    await listening;
    await notify("orders", "6");
    await hears(["orders:6"]);
  });
});
