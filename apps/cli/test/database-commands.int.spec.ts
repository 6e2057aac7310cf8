import { exampleDatabases } from "../src/testing/example-cluster.ts";
import { LocalCluster } from "./local-cluster.ts";
import { ScriptedDbPool } from "./scripted-db-pool.ts";

describe("commands that ask a db-pool", () => {
  let cluster: LocalCluster;
  let dbPool: ScriptedDbPool;
  const understudy = (...argv: readonly string[]) => cluster.understudy(...argv);
  const json = async (...argv: readonly string[]): Promise<unknown> => {
    const { exitCode, out, err } = await understudy(...argv, "--format", "json");
    expect(err).toBe("");
    expect(exitCode).toBe(0);
    return JSON.parse(out);
  };

  beforeAll(async () => {
    cluster = await LocalCluster.start();
    dbPool = new ScriptedDbPool(await cluster.nats.connect("db-pool"));
    await dbPool.start();
  });
  beforeEach(() => {
    dbPool.status = exampleDatabases();
    dbPool.entries = [];
    dbPool.changes.length = 0;
  });
  afterAll(() => cluster.stop());

  it("db list and db status are the same, as a table and as data", async () => {
    expect(await json("db", "list")).toMatchObject({ databases: [{ database: "orders", primary: "postgres-a" }] });
    const { out } = await understudy("db", "status");
    expect(out).toContain("postgres-a is primary");
    expect(out).toContain("streaming");
  });

  it("status and topology say which instance is primary", async () => {
    expect(await json("status")).toMatchObject({ databases: [{ primary: "postgres-a" }], leader: { term: 7 } });
    expect((await understudy("status")).out).toMatch(/postgres-a\s+machine-a\s+primary/);
    expect(await json("topology")).toMatchObject({
      databases: [{ primary: "postgres-a", instances: [{ role: "primary" }] }],
    });
  });

  it("pools and commits in doubt are listed", async () => {
    expect(await json("db", "pools")).toMatchObject({ pools: [{ replays: 1 }] });
    expect(await json("db", "in-doubt")).toMatchObject({ inDoubt: [{ outcome: "committed" }] });
  });

  it("changes go to the only database without naming it", async () => {
    expect(await json("db", "pause", "--reason", "new disk")).toMatchObject({
      entry: { paused: { reason: "new disk" } },
    });
    await json("db", "resume");
    expect((await understudy("db", "policy", "strict")).out).toContain(
      "without a second instance in sync nothing commits",
    );
    expect(dbPool.changes).toEqual([
      { change: "pause", reason: "new disk" },
      { change: "resume" },
      { change: "policy", policy: "strict" },
    ]);
    const { exitCode, err } = await understudy("db", "resume", "--database", "order");
    expect(exitCode).toBe(1);
    expect(err).toContain("Did you mean orders?");
  });

  it("switchover db says who is primary now and how long writers waited", async () => {
    expect((await understudy("switchover", "db")).out).toBe(
      "postgres-b is the primary of orders now (term 5); before it postgres-a. Writers waited 42 ms.\n",
    );
    const again = await understudy("switchover", "db", "--to", "postgres-b");
    expect(again.exitCode).toBe(1);
    expect(again.err).toContain("is the primary of orders already");
    expect((await understudy("switchover", "db", "--to", "postgres-c")).err).toContain("Known: postgres-a, postgres-b");
  });

  it("history has what happened to the cluster and to its databases in order of time", async () => {
    const writtenBy = cluster.messageServer.status.leader.holder;
    cluster.messageServer.entries = [1, 3].map((at) => ({
      type: "configuration" as const,
      at,
      term: 7,
      writtenBy,
      summary: `change ${at}`,
      version: at,
      changedBy: "anna",
    }));
    dbPool.entries = [
      {
        type: "database",
        at: 2,
        term: 5,
        writtenBy,
        database: "orders",
        event: "failover",
        from: "postgres-a",
        to: "postgres-b",
        evidence: [],
        phases: { failedAt: 1_000, noticedAt: 1_020, electedAt: 1_050, promotedAt: 1_312 },
        summary: "postgres-b is primary",
      },
    ];
    expect(await json("history")).toMatchObject({ entries: [{ at: 1 }, { at: 2, type: "database" }, { at: 3 }] });
    const { out } = await understudy("history");
    expect(out).toContain("orders: postgres-b took over from postgres-a in 312 ms (term 5)");
    expect(out).toContain("noticed +20 ms → elected +30 ms");
    expect(await json("history", "--limit", "2")).toMatchObject({ entries: [{ at: 2 }, { at: 3 }] });
    expect(await json("db", "history")).toMatchObject({ entries: [{ event: "failover" }] });
  });

  it("without a db-pool the rest is shown, and db commands say who is missing", async () => {
    dbPool.stop();
    expect(await json("status")).toMatchObject({ databases: [], leader: { term: 7 } });
    expect((await understudy("history")).exitCode).toBe(0);
    const { exitCode, err } = await understudy("db", "list");
    await dbPool.start();
    expect(exitCode).toBe(1);
    expect(err).toContain("No db-pool answers.");
  }, 20_000);
});
