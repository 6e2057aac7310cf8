import { setTimeout as pause } from "node:timers/promises";
import { signalTree } from "@understudy/engines";
import { eventually } from "@understudy/testkit";
import { KeeperCluster, slowMs, type Machine } from "./keeper-cluster.ts";

/** D3: each commit waits for any one of two standbys. */
describe("a database of three whose commits wait for one standby", () => {
  let cluster: KeeperCluster;
  beforeAll(async () => {
    cluster = await KeeperCluster.start({ members: 3, variables: { UNDERSTUDY_DATABASE_SYNCHRONOUS: "1" } });
  }, 2 * slowMs);
  afterAll(() => cluster.remove());
  beforeEach(async () => {
    await eventually(async () => (await cluster.protected()).content.synchronous === 1, { withinMs: slowMs });
  }, 2 * slowMs);

  const standbys = async (): Promise<[Machine, Machine]> => {
    const primary = await cluster.primary();
    return cluster.machines.filter((machine) => machine !== primary) as [Machine, Machine];
  };

  it("says so in PostgreSQL", async () => {
    const [one, other] = await standbys();
    await eventually(async () => {
      const [row] = await cluster.query<{ names: string }>(
        "SELECT current_setting('synchronous_standby_names') AS names",
      );
      return row?.names === `ANY 1 ("${one.member}", "${other.member}")`;
    });
  });

  it("goes on at once while one of them stands still", async () => {
    const [one] = await standbys();
    const writer = cluster.writer();
    await writer.acknowledgedAfter(0);
    signalTree(cluster.postgresPid(one), "SIGSTOP");
    const at = Date.now();
    await eventually(() => writer.acknowledged.filter((each) => each.at > at).length > 5);
    // It was not taken out for that.
    expect((await cluster.lease())?.content.inSync).toContain(one.member);
    signalTree(cluster.postgresPid(one), "SIGCONT");
    await writer.stop();
    expect(await cluster.lost(writer)).toEqual([]);
  });

  it(
    "promotes the standby that has everything, and only when both have said how far they are",
    async () => {
      for (let round = 0; round < 4; round++) {
        await eventually(async () => (await cluster.protected()).content.synchronous === 1, { withinMs: slowMs });
        const primary = await cluster.primary();
        const pair = await standbys();
        const [behind, ahead] = round % 2 === 0 ? pair : pair.toReversed();
        if (behind === undefined || ahead === undefined) throw new Error("There are two.");
        const writer = cluster.writer(1);
        await writer.acknowledgedAfter(0);
        const behindPid = cluster.postgresPid(behind);
        signalTree(behindPid, "SIGSTOP");
        const at = Date.now();
        await eventually(() => writer.acknowledged.filter((each) => each.at > at).length > 10);
        await primary.keeper.kill();
        // What was sent to it and lies in its socket goes with it; it starts again and has less.
        signalTree(behindPid, "SIGKILL");
        await cluster.protected(ahead.member, 2);
        await writer.acknowledgedAfter(Date.now(), slowMs);
        cluster.launch(primary);
        await cluster.protected(ahead.member);
        await writer.stop();
        expect(await cluster.lost(writer)).toEqual([]);
        expect(await cluster.fenceBreaches()).toEqual([]);
      }
    },
    6 * slowMs,
  );

  it(
    "promotes nobody when the primary is lost together with a standby, and loses nothing",
    async () => {
      const primary = await cluster.primary();
      const [one, other] = await standbys();
      const writer = cluster.writer();
      await writer.acknowledgedAfter(0);
      await Promise.all([primary.keeper.kill(), one.keeper.kill()]);
      await pause(4_000);
      expect((await cluster.lease())?.content.primary).toBe(primary.member);
      cluster.launch(one);
      await eventually(async () => (await cluster.lease())?.content.primary !== primary.member, { withinMs: slowMs });
      expect([one.member, other.member]).toContain((await cluster.lease())?.content.primary);
      cluster.launch(primary);
      await writer.acknowledgedAfter(Date.now(), slowMs);
      await cluster.protected();
      await writer.stop();
      expect(await cluster.lost(writer)).toEqual([]);
    },
    3 * slowMs,
  );

  it(
    "a standby that was lost is taken out, and one synchronous standby is left",
    async () => {
      const [one] = await standbys();
      const writer = cluster.writer();
      await one.keeper.kill();
      const lease = await cluster.protected(undefined, 2);
      expect(lease.content.degradedSince).toBeUndefined();
      await writer.acknowledgedAfter(Date.now());
      cluster.launch(one);
      await cluster.protected();
      await writer.stop();
      expect(await cluster.lost(writer)).toEqual([]);
    },
    2 * slowMs,
  );
});
