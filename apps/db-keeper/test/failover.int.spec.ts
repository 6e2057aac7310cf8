import { setTimeout as pause } from "node:timers/promises";
import { switchPrimary, changeEntry } from "@understudy/contracts";
import { signalTree } from "@understudy/engines";
import { call } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { database, KeeperCluster, slowMs } from "./keeper-cluster.ts";
import type { Writer } from "./writer.ts";

/** Printed at the end, for people: nothing is asserted about figures of two busy cores. */
const measured: string[] = [];

describe("a database under keepers", () => {
  let cluster: KeeperCluster;
  let writer: Writer;
  beforeAll(async () => {
    cluster = await KeeperCluster.start();
  }, 2 * slowMs);
  afterAll(async () => {
    await cluster.remove();
    process.stdout.write(`${measured.join("\n")}\n`);
  });
  beforeEach(async () => {
    await cluster.protected();
    writer = cluster.writer();
    await writer.acknowledgedAfter(0);
  });
  afterEach(async () => {
    await writer.stop();
    expect(await cluster.lost(writer)).toEqual([]);
  });

  /** Does `harm` to the primary and waits for the first write elsewhere; then for redundancy. */
  async function failsOver(what: string, harm: (member: string) => unknown): Promise<void> {
    const [primary, standby] = [await cluster.primary(), await cluster.standby()];
    const before = await cluster.lease();
    const at = Date.now();
    await harm(primary.member);
    const first = await eventually(
      () => writer.acknowledged.find((each) => each.at > at && each.member === standby.member),
      {
        withinMs: 20_000,
        describe: "the standby takes writes",
      },
    );
    measured.push(`${what}: first write after ${first.at - at} ms`);
    const after = await cluster.protected(standby.member);
    expect(after.term).toBeGreaterThan(before?.term ?? 0);
    expect(after.content.timeline).toBeGreaterThan(before?.content.timeline ?? 0);
    expect(after.content.degradedSince).toBeUndefined();
  }

  it("fails over when the primary's PostgreSQL is killed, and the old primary rejoins", async () => {
    await failsOver("PostgreSQL killed", (member) => cluster.killPostgres(cluster.machine(member)));
    const told = (await cluster.history()).findLast(({ event }) => event === "failover");
    expect(told).toMatchObject({ evidence: [{ kind: "hand-over" }] });
    expect(told?.phases?.failedAt).toBeDefined();
  });

  it("fails over when one backend crashes: PostgreSQL does not restart by itself", async () => {
    await failsOver("backend killed", async () => {
      const [row] = await cluster.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      const [other] = await cluster.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> ${row?.pid}`,
      );
      process.kill(other?.pid ?? 0, "SIGKILL");
    });
  });

  it("fails over when keeper and PostgreSQL are killed together", async () => {
    const primary = await cluster.primary();
    await failsOver("keeper and PostgreSQL killed", async () => {
      await primary.keeper.kill();
      setTimeout(() => cluster.launch(primary), 1_000);
    });
  });

  it("fails over when the keeper alone is killed: its PostgreSQL goes with it", async () => {
    const primary = await cluster.primary();
    await failsOver("keeper killed", () => {
      process.kill(primary.keeper.pid ?? 0, "SIGKILL");
      setTimeout(() => cluster.launch(primary), 1_000);
    });
  });

  it("fails over when PostgreSQL freezes", async () => {
    const primary = await cluster.primary();
    await failsOver("PostgreSQL frozen", () => signalTree(cluster.postgresPid(primary), "SIGSTOP"));
  });

  it("fails over when the whole machine freezes, and the thawed primary is ended before it can answer", async () => {
    const primary = await cluster.primary();
    const pid = cluster.postgresPid(primary);
    await failsOver("machine frozen", async (member) => {
      const frozenAt = Date.now();
      primary.keeper.freeze();
      await eventually(() => cluster.primaries.some((change) => change.primary !== member && change.at > frozenAt), {
        withinMs: 20_000,
      });
      primary.keeper.thaw();
    });
    expect(() => process.kill(pid, 0)).toThrow();
    expect((await cluster.history()).some(({ event }) => event === "fenced")).toBe(true);
  });

  it("switches over on request: the old primary follows without a clone", async () => {
    const [primary, standby] = [await cluster.primary(), await cluster.standby()];
    const clones = () => primary.keeper.log.filter(({ msg }) => msg === "cloned").length;
    const before = clones();
    const reply = await call(
      cluster.observer,
      switchPrimary,
      { to: standby.member },
      { id: database, timeoutMs: 20_000 },
    );
    measured.push(`switchover: pause ${reply.pauseMs} ms`);
    expect(reply).toMatchObject({ from: primary.member, to: standby.member });
    await cluster.protected(standby.member);
    expect(clones()).toBe(before);
    expect((await cluster.history()).some(({ event, to }) => event === "switchover" && to === standby.member)).toBe(
      true,
    );
  });

  it("refuses a switchover to the primary itself or to a stranger", async () => {
    const primary = await cluster.primary();
    for (const to of [primary.member, "postgres-z"])
      await expect(call(cluster.observer, switchPrimary, { to }, { id: database })).rejects.toThrow(
        /primary already|no standby in sync/,
      );
  });

  it("hands over when the keeper is told to stop", async () => {
    const [primary, standby] = [await cluster.primary(), await cluster.standby()];
    const exit = await primary.keeper.terminate();
    expect(exit.code).toBe(0);
    await cluster.protected(standby.member, 1);
    cluster.launch(primary);
    await cluster.protected(standby.member);
  });

  it("records the loss of the standby before it commits alone, and its return", async () => {
    const standby = await cluster.standby();
    const primary = await cluster.primary();
    await standby.keeper.kill();
    const lease = await cluster.protected(primary.member, 1);
    expect(lease.content).toMatchObject({ inSync: [primary.member], degradedSince: expect.any(Number) });
    const at = Date.now();
    await writer.acknowledgedAfter(at);
    cluster.launch(standby);
    const again = await cluster.protected(primary.member);
    expect(again.content.degradedSince).toBeUndefined();
    await eventually(async () => {
      const events = (await cluster.history()).map(({ event }) => event);
      return events.slice(-4).join() === "standby-left,degraded,standby-joined,protected";
    });
  });

  it("does not fail over by itself while it is paused", async () => {
    const primary = await cluster.primary();
    await call(cluster.observer, changeEntry, { change: "pause", reason: "maintenance" }, { id: database });
    const before = primary.keeper.log.length;
    cluster.killPostgres(primary);
    await eventually(() => primary.keeper.log.slice(before).some((line) => line["do"] === "start-primary"));
    await writer.acknowledgedAfter(Date.now(), 30_000);
    const lease = await cluster.protected(primary.member);
    expect(lease.content.paused?.reason).toBe("maintenance");
    const { entry } = await call(cluster.observer, changeEntry, { change: "resume" }, { id: database });
    expect(entry.paused).toBeUndefined();
  });

  it("leaves PostgreSQL down while the supervisor wishes so, and hands the role over", async () => {
    const [primary, standby] = [await cluster.primary(), await cluster.standby()];
    primary.keeper.send({ type: "engine", id: primary.member, wish: "hold" });
    cluster.killPostgres(primary);
    await cluster.protected(standby.member, 1);
    await pause(1_500);
    expect(() => cluster.postgresPid(primary)).toThrow();
    primary.keeper.send({ type: "engine", id: primary.member, wish: "release" });
    await cluster.protected(standby.member);
  });
});
