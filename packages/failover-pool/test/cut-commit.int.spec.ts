/**
 * FAULTS row 4: the connection is cut at every byte of BEGIN .. COMMIT, in both directions. Checker: SET.
 *
 * `UNDERSTUDY_CUT_ROUNDS=7` goes over every single byte, seven times: some 10,000 cuts.
 */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { PostgresServer } from "@understudy/testkit";
import { FailoverPool } from "@understudy/failover-pool";
import { CutProxy, type CutDirection } from "./cut-proxy.ts";

const mostBytes = 5_000;
const rounds = Number(process.env["UNDERSTUDY_CUT_ROUNDS"] ?? 0);
/** Bytes between two cuts: some in `npm test`, none in the drill. */
const stepOf = (usual: number): number => (rounds > 0 ? 1 : usual);
/** Fewer would mean that the cuts did not take effect. */
const leastCuts = 10;

let server: PostgresServer;
let proxy: CutProxy;
let direct: pg.Pool;
let pool: FailoverPool;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: { fsync: "off" } });
  proxy = await CutProxy.start(server.options.port);
  direct = server.pool();
  await direct.query("CREATE TABLE kept (key uuid NOT NULL, what text NOT NULL)");
  await direct.query("CREATE TABLE balance (id int PRIMARY KEY, amount int NOT NULL)");
  await direct.query("INSERT INTO balance VALUES (1, 0)");
  pool = new FailoverPool({
    host: "127.0.0.1",
    port: proxy.port,
    user: "postgres",
    password: server.password,
    database: server.options.database,
    max: 1,
    idleTimeoutMillis: 0,
  });
});

afterAll(async () => {
  await pool.end();
  await proxy.stop();
  await server.remove();
});

async function transaction(key: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("INSERT INTO kept (key, what) VALUES ($1, 'transaction')", [key]);
    await client.query("UPDATE balance SET amount = amount + 1 WHERE id = $1", [1]);
    await client.query("COMMIT");
  } finally {
    client.release();
  }
}

const insert = async (key: string): Promise<void> => {
  const { rowCount, command } = await pool.query("INSERT INTO kept (key, what) VALUES ($1, 'insert')", [key]);
  expect([command, rowCount]).toEqual(["INSERT", 1]);
};

const update = async (): Promise<void> => {
  const { rowCount, command } = await pool.query("UPDATE balance SET amount = amount + 1 WHERE id = $1", [1]);
  expect([command, rowCount]).toEqual(["UPDATE", 1]);
};

/** Runs `work` once per byte that it sends or receives, cut there; every one must end without an error. */
async function cutEverywhere(
  direction: CutDirection,
  stepBytes: number,
  how: "reset" | "keep",
  work: (key: string) => Promise<void>,
): Promise<{ keys: string[]; cuts: number }> {
  const keys: string[] = [];
  const cutsBefore = proxy.cuts;
  for (let round = 0; round < Math.max(1, rounds); round++) {
    // Until a run is through before the cut comes: then every byte has had its turn.
    for (let at = 0; at < mostBytes; at += stepOf(stepBytes)) {
      const key = randomUUID();
      const cuts = proxy.cuts;
      proxy.arm(direction, at, how);
      await work(key);
      proxy.disarm();
      proxy.deliverLate();
      keys.push(key);
      if (proxy.cuts === cuts) break;
      // Not at once: what came late must have had its chance to do harm.
      if (keys.length % 50 === 0) proxy.dropKept();
    }
  }
  return { keys, cuts: proxy.cuts - cutsBefore };
}

async function counted(keys: readonly string[]): Promise<{ lost: number; doubled: number }> {
  const { rows } = await direct.query<{ key: string; n: number }>(
    "SELECT key, count(*)::int AS n FROM kept WHERE key = ANY($1) GROUP BY key",
    [keys],
  );
  return { lost: keys.length - rows.length, doubled: rows.filter(({ n }) => n > 1).length };
}

const amount = async (): Promise<number> =>
  (await direct.query<{ amount: number }>("SELECT amount FROM balance")).rows[0]?.amount ?? -1;

const cases: { direction: CutDirection; how: "reset" | "keep" }[] = [
  { direction: "to-server", how: "reset" },
  { direction: "to-client", how: "reset" },
  { direction: "to-server", how: "keep" },
];

describe.each(cases)("cut $direction ($how) at each byte", ({ direction, how }) => {
  it("a transaction happens exactly once and its caller sees no error", async () => {
    const before = await amount();
    const { keys, cuts } = await cutEverywhere(direction, 5, how, transaction);
    expect(cuts).toBeGreaterThan(leastCuts);
    expect(await counted(keys)).toEqual({ lost: 0, doubled: 0 });
    expect(await amount()).toBe(before + keys.length);
  }, 900_000);

  it("an autocommit INSERT happens exactly once and its result is told", async () => {
    const { keys, cuts } = await cutEverywhere(direction, 3, how, insert);
    expect(cuts).toBeGreaterThan(leastCuts);
    expect(await counted(keys)).toEqual({ lost: 0, doubled: 0 });
  }, 900_000);

  it("an autocommit UPDATE happens exactly once and its result is told", async () => {
    const before = await amount();
    const { keys, cuts } = await cutEverywhere(direction, 3, how, update);
    expect(cuts).toBeGreaterThan(leastCuts);
    expect(await amount()).toBe(before + keys.length);
  }, 900_000);
});

it("every outcome is settled, and the figures say that COMMITs were in doubt on both sides", () => {
  const { unresolved, resolvedCommitted, resolvedNotCommitted, replays } = pool.figures;
  process.stdout.write(`${proxy.cuts} cuts: ${JSON.stringify(pool.figures)}\n`);
  expect(unresolved).toBe(0);
  expect(resolvedCommitted).toBeGreaterThan(0);
  expect(resolvedNotCommitted).toBeGreaterThan(0);
  expect(replays).toBeGreaterThan(0);
});
