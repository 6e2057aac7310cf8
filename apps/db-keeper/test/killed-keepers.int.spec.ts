import { processTree } from "@understudy/engines";
import { pause } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { KeeperCluster, slowMs, type Machine } from "./keeper-cluster.ts";
import type { Writer } from "./writer.ts";

/** FAULTS row 23: whoever restarts a keeper that was killed in the middle of a failover finds it finished later. */
describe("a keeper that is killed in the middle", () => {
  let cluster: KeeperCluster;
  let writer: Writer;
  beforeAll(async () => {
    cluster = await KeeperCluster.start();
  }, 2 * slowMs);
  afterAll(() => cluster.remove());
  beforeEach(async () => {
    await cluster.protected();
    writer = cluster.writer();
    await writer.acknowledgedAfter(0);
  });
  afterEach(async () => {
    await writer.stop();
    expect(await cluster.lost(writer)).toEqual([]);
    expect(await cluster.fenceBreaches()).toEqual([]);
  });

  /** Kills the keeper, and PostgreSQL with it, as soon as it begins that step, and starts it again. */
  async function killedAt(machine: Machine, step: string): Promise<void> {
    const { keeper } = machine;
    const from = keeper.log.length;
    await eventually(() => keeper.log.slice(from).some((line) => line.msg === "step" && line["do"] === step), {
      withinMs: slowMs,
      describe: `${machine.keeperId} begins ${step}`,
    });
    await keeper.kill();
    cluster.launch(machine);
  }

  it.each(["promote", "record-open", "set-waits", "record-with"])("as new primary, at %s", async (step) => {
    const [primary, standby] = [await cluster.primary(), await cluster.standby()];
    const killed = killedAt(standby, step);
    cluster.killPostgres(primary);
    await killed;
    await writer.acknowledgedAfter(Date.now(), slowMs);
    await cluster.protected();
  });

  it.each(["hand-over", "clone", "start-standby"])("as old primary, at %s", async (step) => {
    const primary = await cluster.primary();
    const killed = killedAt(primary, step);
    cluster.killPostgres(primary);
    await killed;
    await writer.acknowledgedAfter(Date.now(), slowMs);
    await cluster.protected();
  });

  it("as primary that takes a lost standby out, at record-without", async () => {
    const [primary, standby] = [await cluster.primary(), await cluster.standby()];
    const killed = killedAt(primary, "record-without");
    await standby.keeper.kill();
    await killed;
    await writer.acknowledgedAfter(Date.now(), slowMs);
    cluster.launch(standby);
    await cluster.protected();
  });

  it("while it starts its PostgreSQL, at any moment: none is left behind", async () => {
    for (let round = 0; round < 8; round++) {
      const standby = await cluster.standby();
      const { keeper } = standby;
      await eventually(() => cluster.postgresPid(standby), { withinMs: slowMs });
      const from = keeper.log.length;
      cluster.killPostgres(standby);
      await eventually(() => keeper.log.slice(from).some(({ msg }) => msg === "step"), { withinMs: slowMs });
      await pause(round * 10);
      // It alone: ending the rest is its reaper's work.
      process.kill(keeper.pid as number, "SIGKILL");
      await eventually(() => cluster.serverOn(standby).length === 0, {
        withinMs: slowMs,
        describe: "no server is left",
      });
      cluster.launch(standby);
      await cluster.protected();
    }
  });

  it("with its reaper, so that its PostgreSQL goes on: the next keeper ends that first of all", async () => {
    const primary = await cluster.primary();
    const postgres = processTree(cluster.postgresPid(primary));
    const others = processTree(primary.keeper.pid as number).filter((pid) => !postgres.includes(pid));
    for (const signal of ["SIGSTOP", "SIGKILL"]) for (const pid of others) process.kill(pid, signal);
    expect(cluster.serverOn(primary)).toEqual(expect.arrayContaining([postgres[0]]));
    const keeper = cluster.launch(primary);
    await eventually(() => postgres.every((pid) => processTree(pid).length === 0), {
      withinMs: slowMs,
      describe: "the PostgreSQL of the former life is gone",
    });
    await eventually(() => keeper.log.some(({ msg }) => msg?.includes("an earlier life of this keeper had left")));
    await writer.acknowledgedAfter(Date.now(), slowMs);
    await cluster.protected();
  });

  it("together with all others: the power comes back and nothing is lost", async () => {
    await Promise.all(cluster.machines.map(({ keeper }) => keeper.kill()));
    const at = Date.now();
    for (const machine of cluster.machines) cluster.launch(machine);
    await writer.acknowledgedAfter(at, slowMs);
    await cluster.protected();
  });
});
