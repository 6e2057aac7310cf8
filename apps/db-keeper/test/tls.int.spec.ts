import { join } from "node:path";
import { createLog, createPool, Identity, pause, type FailoverPool } from "@understudy/runtime";
import type { KeptSecrets } from "@understudy/secrets";
import { eventually, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import pg from "pg";
import {
  database,
  KeeperCluster,
  password,
  slowMs,
  tlsVariables,
  type Machine,
  type TlsFiles,
} from "./keeper-cluster.ts";
import { makeMemberSecrets, tlsFilesOf } from "./member-secrets.ts";

const identity = new Identity({
  kind: "db-pool",
  id: "test",
  cluster: "understudy",
  site: "site-1",
  machine: "machine-c",
});

describe("a database that speaks TLS only", () => {
  let folder: TemporaryFolder;
  let own: KeptSecrets;
  /** Of another cluster, whose members have the same names. */
  let other: KeptSecrets;
  let cluster: KeeperCluster;
  const pools: FailoverPool[] = [];

  beforeAll(async () => {
    folder = temporaryFolder("keeper-tls");
    const secretsIn = (name: string) => makeMemberSecrets(join(folder.path, name));
    [own, other] = await Promise.all([secretsIn("own"), secretsIn("other")]);
    cluster = await KeeperCluster.start({ tls: (member) => tlsFilesOf(own, member) });
  }, 2 * slowMs);
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await cluster?.remove();
    folder?.remove();
  });

  const poolWith = (authority: string | undefined): FailoverPool => {
    const hosts = cluster.machines.map(({ port }) => `127.0.0.1:${port}`).join(",");
    const pool = createPool(
      { url: `postgres://postgres@${hosts}/${database}`, password, authority, connections: 1 },
      identity,
      { assertsStanding: false, holdMaxMs: 2_000 },
      createLog("silent", "json", {}),
    );
    pools.push(pool);
    return pool;
  };

  it("refuses a client without TLS, at the primary and at the standby", async () => {
    for (const { port } of cluster.machines) {
      const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", password, database, ssl: false });
      client.on("error", () => undefined);
      await expect(client.connect()).rejects.toMatchObject({
        code: "28000",
        message: expect.stringContaining("no encryption"),
      });
    }
    await expect(poolWith(undefined).query("SELECT 1")).rejects.toThrow(/no encryption/);
  });

  it("is refused by a pool that believes another authority", async () => {
    await expect(poolWith(other.authorities).query("SELECT 1")).rejects.toMatchObject({
      code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    });
  });

  it("works with a pool that believes its own, over TLS 1.3, and its standby's stream is encrypted too", async () => {
    const { rows } = await poolWith(own.authorities).query<{ version: string }>(
      "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    );
    expect(rows).toEqual([{ version: "TLSv1.3" }]);
    const streams = await cluster.query("SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_replication r ON r.pid = s.pid");
    expect(streams).toEqual([{ ssl: true }]);
  });

  it(
    "is refused by a standby that believes another authority, whose own log stays short; given the right one, it follows",
    async () => {
      const standby = await cluster.standby();
      const { member: primary } = await cluster.primary();
      const restart = async (machine: Machine, files: TlsFiles) => {
        await machine.keeper.kill();
        return cluster.launch(machine, tlsVariables(files));
      };
      const keeper = await restart(standby, tlsFilesOf(other, standby.member));
      await cluster.protected(primary, 1);
      await cluster.query("INSERT INTO written (key) VALUES (4711)");
      await pause(5_000);
      expect(await cluster.query("SELECT 1 FROM pg_stat_replication")).toEqual([]);
      expect((await cluster.protected(primary, 1)).content.inSync).toEqual([primary]);
      // Logged, and not at each of its attempts.
      const warnings = keeper.log.filter(({ level = 0 }) => level >= 40);
      expect(warnings.length).toBeLessThan(6);

      await restart(standby, tlsFilesOf(own, standby.member));
      await cluster.protected(primary, 2);
      await eventually(
        async () => (await cluster.query("SELECT 1 FROM written WHERE key = 4711", standby.member)).length === 1,
        { withinMs: slowMs, describe: "the standby has what it missed" },
      );
    },
    3 * slowMs,
  );
});
