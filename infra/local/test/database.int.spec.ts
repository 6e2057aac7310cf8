import { loginOptions } from "@understudy/runtime/nats-login";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { databaseStatus, type DatabaseTopology } from "@understudy/contracts";
import { call, createLog, createPool, Identity, ownerSettings, type FailoverPool } from "@understudy/runtime";
import { eventually, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { LocalCluster } from "../src/local-cluster.ts";
import { birthOf } from "../src/process-birth.ts";

/** The database part of the standard cluster. */
const layout = [
  { id: "machine-a", runs: ["nats", "db-keeper"] },
  { id: "machine-b", runs: ["nats", "db-keeper"] },
  { id: "machine-c", runs: ["nats", "db-pool"] },
] as const;
const restart = { firstMs: 200, mostMs: 1_000, steadyMs: 30_000 };
const readyWithinMs = 120_000;

describe("the database of a local cluster", () => {
  let folder: TemporaryFolder;
  let cluster: LocalCluster;
  let nats: NatsConnection;
  let pool: FailoverPool;
  let rows = 0;

  const start = async () => {
    cluster = await LocalCluster.start({ stateDir: folder.path, layout, isEncrypted: true, restart, readyWithinMs });
    nats = await connect({
      servers: cluster.natsServers.filter(({ machine }) => machine === "machine-c").map(({ url }) => url),
      ...loginOptions(cluster.natsLogin()),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    pool = createPool(
      ownerSettings(cluster.databaseSettings("machine-c", 4)),
      new Identity({ kind: "db-pool", id: "test", cluster: "understudy", site: "site-1", machine: "machine-c" }),
      { assertsStanding: false, holdMaxMs: 60_000 },
      createLog("silent", "json", {}),
    );
  };
  const stop = async () => {
    await pool?.end();
    await nats?.close();
    await cluster?.stop();
  };
  const topology = async (): Promise<DatabaseTopology | undefined> =>
    (await call(nats, databaseStatus, {}, { timeoutMs: 1_000 })).databases[0];
  /** Both in sync, and everything runs: the next loss costs nothing. */
  const whole = () =>
    eventually(
      async () => {
        const now = await topology();
        const isWhole =
          now?.primary !== undefined &&
          now.degradedSince === undefined &&
          now.members.every(({ inSync }) => inSync) &&
          cluster.processes.every(({ state }) => state === "running");
        return isWhole ? now : undefined;
      },
      { withinMs: 60_000, describe: "primary and standby in sync" },
    );
  const one = (id: string) => {
    const found = cluster.processes.find((each) => each.id === id);
    if (found === undefined) throw new Error(`no ${id}`);
    return found;
  };
  const write = async () => {
    await pool.query("INSERT INTO kept (id) VALUES ($1)", [++rows]);
  };
  const expectAllRows = async () => {
    const { rows: found } = await pool.query<{ count: number }>("SELECT count(*)::int AS count FROM kept");
    expect(found[0]?.count).toBe(rows);
  };

  beforeAll(async () => {
    folder = temporaryFolder("database");
    await start();
    await pool.query("CREATE TABLE kept (id int PRIMARY KEY)");
  }, 150_000);
  afterAll(async () => {
    await stop();
    folder?.remove();
  });
  beforeEach(async () => {
    await whole();
    await write();
  }, 90_000);

  it("stands in run.json with both instances, processes of their own beside their keepers", async () => {
    const { processes, databases } = cluster.runFile;
    expect(databases).toEqual([
      {
        name: "understudy",
        instances: ["a", "b"].map((letter) => ({ id: `postgres-${letter}`, url: expect.stringMatching(/^postgres:/) })),
      },
    ]);
    for (const letter of ["a", "b"]) {
      expect(processes).toContainEqual(
        expect.objectContaining({ id: `postgres-${letter}`, kind: "postgres", machine: `machine-${letter}` }),
      );
      expect(birthOf(one(`postgres-${letter}`).pid ?? 0)).toBeDefined();
    }
    await expectAllRows();
  });

  it("loses its primary's PostgreSQL: the other instance takes the writes, and it comes back as standby", async () => {
    const before = await whole();
    const { primary = "" } = before;
    const { pid } = one(primary);
    expect((await cluster.control("kill", primary)).affected).toEqual([primary]);
    expect(birthOf(pid ?? 0)).toBeUndefined();
    await write();
    const after = await whole();
    expect(after.primary).not.toBe(primary);
    expect(after.term).toBeGreaterThan(before.term);
    expect(after.timeline).toBeGreaterThan(before.timeline);
    expect(one(primary).pid).not.toBe(pid);
    await expectAllRows();
  }, 120_000);

  it("leaves a standby down after kill --stay, degraded but serving, until it is started", async () => {
    const { primary } = await whole();
    const standby = primary === "postgres-a" ? "postgres-b" : "postgres-a";
    await cluster.control("kill", standby, { stay: true });
    await write();
    const degraded = await eventually(
      async () => {
        const now = await topology();
        return now?.degradedSince === undefined ? undefined : now;
      },
      { withinMs: 20_000, describe: "the loss is recorded" },
    );
    expect(degraded.primary).toBe(primary);
    expect(one(standby)).toMatchObject({ state: "stopped", pid: null });
    expect((await cluster.control("start", standby)).affected).toEqual([standby]);
    await whole();
    await expectAllRows();
  }, 120_000);

  it("outlives a primary that stands still", async () => {
    const { primary = "" } = await whole();
    expect((await cluster.control("freeze", primary)).affected).toEqual([primary]);
    expect(one(primary).state).toBe("frozen");
    await write();
    await eventually(async () => (await topology())?.primary !== primary, { withinMs: 20_000 });
    // Its keeper may have killed it by now; then there is nothing to thaw.
    await cluster.control("thaw", primary);
    await whole();
    await expectAllRows();
  }, 120_000);

  it("outlives the machine of its primary", async () => {
    const { primary = "" } = await whole();
    const machine = `machine-${primary.at(-1)}`;
    const { affected } = await cluster.control("kill", machine);
    expect(affected).toEqual([`db-keeper-${primary.at(-1)}`, `nats-${primary.at(-1)}`, primary]);
    await write();
    expect((await whole()).primary).not.toBe(primary);
    await expectAllRows();
  }, 120_000);

  it("outlives a cut of that machine, and nothing that was acknowledged is only there", async () => {
    const { primary = "" } = await whole();
    const machine = `machine-${primary.at(-1)}`;
    await cluster.control("cut", machine);
    await write();
    await cluster.control("heal", machine);
    await whole();
    await expectAllRows();
  }, 120_000);

  it("does not fail over when the whole cluster is stopped, leaves no process, and goes on where it was", async () => {
    const before = await whole();
    const pids = cluster.processes.map(({ pid }) => pid ?? 0);
    await stop();
    expect(pids.map(birthOf)).toEqual(pids.map(() => undefined));
    await start();
    const after = await whole();
    expect(after.primary).toBe(before.primary);
    expect(after.timeline).toBe(before.timeline);
    await expectAllRows();
  }, 200_000);
});
