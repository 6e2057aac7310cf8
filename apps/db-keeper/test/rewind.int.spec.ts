import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { keeperState } from "@understudy/contracts";
import { listen } from "@understudy/runtime";
import { eventually, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { KeeperCluster, slowMs, type Machine } from "./keeper-cluster.ts";
import { makeMemberSecrets, tlsFilesOf } from "./member-secrets.ts";

/** Where Debian, and the image of the keepers, have each version of PostgreSQL. */
const versions = "/usr/lib/postgresql";

/** The programs of a PostgreSQL with pg_rewind, which the npm package lacks: the named one, else the newest installed. */
function binariesWithRewind(): string | undefined {
  const installed = existsSync(versions) ? readdirSync(versions) : [];
  const folders = installed
    .sort((one, other) => Number(other) - Number(one))
    .map((version) => join(versions, version, "bin"));
  return [process.env["UNDERSTUDY_POSTGRES_BIN_DIR"] ?? "", ...folders].find((folder) =>
    ["pg_rewind", "postgres", "initdb"].every((program) => existsSync(join(folder, program))),
  );
}

// What PostgreSQL keeps of its log is copied with the data that changed: little of it, so that a rewind pays in a small
// database.
const settings = { wal_keep_size: "48MB", max_wal_size: "32MB", min_wal_size: "32MB" };
const rows = 110_000;
/** Some 2 kB a row, four on a page: 220 MB. */
const table = `CREATE TABLE bulk AS SELECT id, repeat(md5(id::text), 58) AS text FROM generate_series(1, ${rows}) AS id`;
const digest = `SELECT count(*) AS rows, sum(hashtext(text)::bigint) AS sum, count(*) FILTER (WHERE text LIKE 'parted%') AS parted FROM bulk`;

const binaries = binariesWithRewind();

(binaries ? describe : describe.skip)("an old primary with a history of its own (needs pg_rewind)", () => {
  let folder: TemporaryFolder;
  let cluster: KeeperCluster;
  /** What the keepers said of themselves, each sentence once. */
  const notes = new Set<string>();
  beforeAll(async () => {
    folder = temporaryFolder("rewind");
    const secrets = await makeMemberSecrets(join(folder.path, "secrets"));
    cluster = await KeeperCluster.start({
      tls: (member) => tlsFilesOf(secrets, member),
      variables: {
        UNDERSTUDY_POSTGRES_BIN_DIR: binaries ?? "",
        UNDERSTUDY_POSTGRES_SETTINGS: JSON.stringify(settings),
        // It is to be in sync still when its primary dies.
        UNDERSTUDY_STANDBY_LOST_MS: String(2 * slowMs),
      },
    });
    listen(cluster.observer, keeperState, ({ note }) => note !== undefined && notes.add(note), { id: "*" });
    await cluster.query("CREATE EXTENSION amcheck");
    for (const statement of [table, "ALTER TABLE bulk ADD PRIMARY KEY (id)"])
      await cluster.query(statement, undefined, slowMs);
    // Else the first who reads it afterwards writes each page's hints, hence all pages, into the log.
    for (const statement of ["VACUUM (FREEZE) bulk", "CHECKPOINT"]) await cluster.query(statement, undefined, slowMs);
  }, 4 * slowMs);
  afterAll(async () => {
    await cluster?.remove();
    folder?.remove();
  });

  /**
   * The primary's cable is pulled, it writes `statements` that reach nobody, and is killed with its keeper; the standby
   * takes over and writes on.
   */
  async function parts(statements: readonly string[]): Promise<{ old: Machine; fresh: Machine }> {
    await cluster.protected();
    const [old, fresh] = [await cluster.primary(), await cluster.standby()];
    old.link.cut();
    for (const statement of statements)
      await cluster.query(`SET synchronous_commit = local; ${statement}`, old.member, slowMs);
    await old.keeper.kill();
    // What is on its way is lost with the cable.
    old.link.reset();
    old.link.heal();
    await cluster.protected(fresh.member, 1);
    await cluster.query("UPDATE bulk SET text = 'fresh' || id WHERE id % 997 = 0", undefined, slowMs);
    return { old, fresh };
  }

  /** Every 40th row: each tenth page is another one than the new primary's. */
  const parting = "UPDATE bulk SET text = 'parted' || text WHERE id % 40 = 0";

  const said = ({ keeper }: Machine, message: string) => keeper.log.filter(({ msg }) => msg === message);

  const leftovers = ({ dataDir }: Machine) =>
    readdirSync(dirname(dataDir)).filter(
      (entry) => /\.(rewind|clone|old)-/.test(entry) && entry.startsWith(basename(dataDir)),
    );

  /** Both have the same rows, none of them the old primary's own, and every index agrees with its table. */
  async function isWhole({ old, fresh }: { old: Machine; fresh: Machine }): Promise<void> {
    await cluster.protected(fresh.member);
    const [right] = await cluster.query(digest, fresh.member, slowMs);
    expect(right).toMatchObject({ rows: String(rows), parted: "0" });
    await eventually(async () => {
      const [found] = await cluster.query(digest, old.member, slowMs);
      expect(found).toEqual(right);
      return true;
    });
    expect(await cluster.damage(old.member, ["bulk", "written"])).toEqual([]);
    expect(leftovers(old)).toEqual([]);
  }

  it(
    "rejoins by a rewind: less is copied than by a clone, and nothing that was acknowledged is lost",
    async () => {
      const writer = cluster.writer();
      await writer.acknowledgedAfter(0);
      const parted = await parts([parting]);
      const { old, fresh } = parted;
      await writer.acknowledgedAfter(Date.now());
      const before = fresh.link.counters.bytesToClient;
      cluster.launch(old);
      const rewound = await old.keeper.logged("rewound", slowMs);
      const copied = fresh.link.counters.bytesToClient - before;
      await cluster.protected(fresh.member);
      expect(said(old, "cloned")).toEqual([]);
      expect(said(old, "rewinding").map(({ step }) => step)).toEqual(["recovering", "planning", "copying"]);
      expect([...notes].filter((note) => note.startsWith(`rewinds to the history of ${fresh.member}`))).not.toEqual([]);
      const size = Number(rewound["ofBytes"]);
      process.stdout.write(
        `rewound: ${Math.round(copied / 2 ** 20)} MB of ${Math.round(size / 2 ** 20)} MB in ${Number(rewound["ms"])} ms\n`,
      );
      expect(copied).toBeLessThan(size * 0.8);
      await writer.acknowledgedAfter(Date.now());
      await writer.stop();
      expect(await cluster.lost(writer)).toEqual([]);
      await isWhole(parted);
      expect(await cluster.fenceBreaches()).toEqual([]);
    },
    4 * slowMs,
  );

  it(
    "takes over again with data that was rewound",
    async () => {
      const writer = cluster.writer();
      await writer.acknowledgedAfter(0);
      const standby = await cluster.standby();
      const primary = await cluster.primary();
      await primary.keeper.kill();
      await cluster.protected(standby.member, 1);
      await writer.acknowledgedAfter(Date.now());
      await writer.stop();
      cluster.launch(primary);
      expect(await cluster.lost(writer)).toEqual([]);
      await isWhole({ old: primary, fresh: standby });
    },
    4 * slowMs,
  );

  it(
    "is cloned when its keeper was killed in the middle of a rewind",
    async () => {
      const parted = await parts([parting]);
      const { old, fresh } = parted;
      // The copying is to take its time.
      fresh.link.shape({ bytesPerSecond: 8 * 2 ** 20 }, ["to-client"]);
      cluster.launch(old);
      await eventually(() => said(old, "rewinding").some(({ step }) => step === "copying"), { withinMs: slowMs });
      // The keeper alone: what it started dies with it.
      process.kill(old.keeper.pid ?? 0, "SIGKILL");
      await old.keeper.exited;
      expect(said(old, "rewound")).toEqual([]);
      expect(existsSync(old.dataDir)).toBe(false);
      expect(leftovers(old)).toHaveLength(1);
      fresh.link.shape({});
      cluster.launch(old);
      await old.keeper.logged("cloned", slowMs);
      expect(said(old, "rewinding")).toEqual([]);
      await isWhole(parted);
    },
    4 * slowMs,
  );

  it(
    "is cloned when its log no longer reaches back to where the histories parted",
    async () => {
      const parted = await parts(
        [0, 1, 2, 3, 4].flatMap((nth) => [
          `UPDATE bulk SET text = 'parted' || text WHERE id % 40 = ${nth}`,
          "CHECKPOINT",
        ]),
      );
      const { old } = parted;
      cluster.launch(old);
      const { reason } = await old.keeper.logged("not rewound, so it is cloned", slowMs);
      expect(reason).toMatch(/pg_rewind ended with code 1: .*could not (find|open|read)/s);
      await old.keeper.logged("cloned", slowMs);
      expect(said(old, "rewound")).toEqual([]);
      await isWhole(parted);
    },
    4 * slowMs,
  );
});
