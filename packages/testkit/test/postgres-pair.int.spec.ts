import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { cloneStandby, CloneRefusedError, inspectDataFolder } from "@understudy/engines";
import { eventually, PostgresPair } from "@understudy/testkit";

describe("a pair of PostgreSQL instances", () => {
  let pair: PostgresPair;
  beforeAll(async () => {
    pair = await PostgresPair.start({ links: true });
    await pair.primary.query("CREATE TABLE kept (key int PRIMARY KEY)");
  }, 60_000);
  afterAll(() => pair.remove());

  it("replicates synchronously: without the standby a commit waits", async () => {
    const { standby, primary } = pair;
    await primary.query("INSERT INTO kept VALUES (1)");
    expect(await standby.query("SELECT key FROM kept")).toEqual([{ key: 1 }]);
    standby.freeze();
    let isCommitted = false;
    const commit = primary.query("INSERT INTO kept VALUES (2)").then(() => (isCommitted = true));
    await eventually(async () => {
      const waiting = await primary.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
      return waiting.length === 1;
    });
    expect(isCommitted).toBe(false);
    standby.thaw();
    await commit;
  });

  it("fails over with everything that was acknowledged, and the old primary comes back as standby", async () => {
    const old = pair.primary;
    const before = inspectDataFolder(old.options.dataDir);
    await old.kill();
    await pair.promote();
    expect(pair.primary.name).toBe("postgres-b");
    await pair.primary.query("INSERT INTO kept VALUES (3)");
    await pair.rejoin();
    expect(await pair.standby.query("SELECT key FROM kept ORDER BY key")).toEqual([{ key: 1 }, { key: 2 }, { key: 3 }]);
    expect(await pair.standby.isInRecovery()).toBe(true);
    const folder = inspectDataFolder(pair.standby.options.dataDir);
    expect(folder).toMatchObject({ systemIdentifier: before?.systemIdentifier, isStandby: true, newestTimeline: 2 });
    // Nothing of a clone or of the data before it is left.
    const parent = dirname(old.options.dataDir);
    expect(readdirSync(parent).filter((entry) => /\.(?:clone|old)-/.test(entry))).toEqual([]);
  });

  it("keeps its old data when a clone is called off, and refuses the clone of another database", async () => {
    const { standby, primary } = pair;
    const from = { host: "127.0.0.1", port: primary.options.port };
    const { replication, dataDir } = standby.options;
    if (replication === undefined) throw new Error("It is replicated.");
    const elsewhere = join(dirname(dataDir), "elsewhere");
    const abort = new AbortController();
    const clone = cloneStandby({
      dataDir: elsewhere,
      from,
      replication,
      label: "test",
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(clone).rejects.toThrow();
    expect(existsSync(elsewhere)).toBe(false);
    mkdirSync(elsewhere);
    await expect(
      cloneStandby({ dataDir: elsewhere, from, replication, label: "test", systemIdentifier: "1" }),
    ).rejects.toThrow(CloneRefusedError);
    expect(readdirSync(dirname(dataDir)).filter((entry) => entry.includes(".clone-"))).toEqual([]);
  });

  it("is cut off by its links, clients only", async () => {
    const { primary } = pair;
    const pool = pair.pool(primary);
    await pool.query("SELECT 1");
    primary.link?.cut();
    const answer = pool.query("INSERT INTO kept VALUES (4)");
    await primary.query("INSERT INTO kept VALUES (5)");
    primary.link?.heal();
    await answer;
  });
});
