import { checkConsistency, OrderLedger, OrderLoad } from "@understudy/order-entry/testing";
import { eventually, PostgresServer } from "@understudy/testkit";
import { OrderEntryRig } from "./rig.ts";

let server: PostgresServer;
let rig: OrderEntryRig;

beforeAll(async () => {
  server = await PostgresServer.start();
  rig = await OrderEntryRig.start(server, "load");
});
afterAll(async () => {
  await rig?.stop();
  await server.remove();
});

const acknowledgedOf = (load: OrderLoad): number => load.ledger.acknowledged.size;
const reaches = (load: OrderLoad, count: number) =>
  eventually(() => acknowledgedOf(load) >= count, { describe: `${count} orders`, withinMs: 60_000 });

describe("orders of many clients", () => {
  it("are all there exactly once although the database is killed again and again", async () => {
    const { url } = await rig.host();
    const load = new OrderLoad({ url, clients: 8, orderDeadlineMs: 30_000 });
    await load.start();
    for (let round = 1; round <= 3; round += 1) {
      await reaches(load, acknowledgedOf(load) + 50);
      await server.kill();
      await server.start();
    }
    await reaches(load, acknowledgedOf(load) + 50);
    const report = await load.stop();
    expect(await load.resolveOpen()).toBe(0);

    const found = await load.ledger.check(rig.pool);
    expect(found).toMatchObject({ lost: [], duplicated: [], altered: [], unexpected: [], recovered: 0, absent: 0 });
    expect(found.acknowledged).toBeGreaterThanOrEqual(200);
    expect(await checkConsistency(rig.pool)).toEqual([]);
    expect(report.refused).toBe(0);
    expect(report.reasons["status 500"]).toBeUndefined();
    // Whether any client had to ask again is chance: the pool holds orders, and settles those whose COMMIT met a kill.
  });

  it("may share one ledger over several servers", async () => {
    const [first, second] = [await rig.host({ id: "app-server-b" }), await rig.host({ id: "app-server-c" })];
    const ledger = new OrderLedger();
    const loads = [first, second].map(({ url }) => new OrderLoad({ url, clients: 2, ledger }));
    await Promise.all(loads.map((load) => load.start()));
    await eventually(() => ledger.acknowledged.size >= 40, { describe: "40 orders", withinMs: 60_000 });
    const reports = await Promise.all(loads.map((load) => load.stop()));
    const found = await ledger.check(rig.pool);
    expect(OrderLedger.isClean(found)).toBe(true);
    expect(found.acknowledged).toBe(reports.reduce((sum, { acknowledged }) => sum + acknowledged, 0));
  });
});
