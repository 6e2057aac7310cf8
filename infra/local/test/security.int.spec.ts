import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { applicationRole, ownerRole } from "@understudy/contracts";
import { createLog, createPool, Identity, ownerSettings, type FailoverPool } from "@understudy/runtime";
import { finishRotation, rotateSecrets, secretFile, setUpSecrets, type KeptSecrets } from "@understudy/secrets";
import { eventually, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import pg from "pg";
import { LocalCluster } from "../src/local-cluster.ts";

/** One of each that has to do with the database, and a standby. */
const layout = [
  { id: "machine-a", runs: ["nats", "db-keeper", "message-server", "app-server", "load-balancer"] },
  { id: "machine-b", runs: ["db-keeper", "db-pool"] },
] as const;
const restart = { firstMs: 200, mostMs: 1_000, steadyMs: 30_000 };
const identity = new Identity({
  kind: "db-pool",
  id: "test",
  cluster: "understudy",
  site: "site-1",
  machine: "machine-b",
});
const options = { assertsStanding: false, holdMaxMs: 2_000 };
const log = createLog("silent", "json", {});

describe("a cluster with TLS and roles", () => {
  let folder: TemporaryFolder;
  let cluster: LocalCluster;
  let owner: FailoverPool;
  let application: FailoverPool;
  let elsewhere: KeptSecrets;

  beforeAll(async () => {
    folder = temporaryFolder("security");
    cluster = await LocalCluster.start({
      stateDir: join(folder.path, "state"),
      layout,
      isEncrypted: true,
      restart,
      readyWithinMs: 150_000,
    });
    const settings = cluster.databaseSettings("machine-b", 2);
    owner = createPool(ownerSettings(settings), identity, options, log);
    application = createPool(settings, identity, options, log);
    const member = (name: string) => ({ name, host: "127.0.0.1" });
    elsewhere = await setUpSecrets({
      folder: join(folder.path, "elsewhere"),
      plan: {
        cluster: "understudy",
        nats: [member("nats-a")],
        postgres: [member("postgres-a"), member("postgres-b")],
        databases: ["understudy"],
        edge: ["localhost"],
      },
    });
  }, 180_000);
  afterAll(async () => {
    await Promise.all([owner?.end(), application?.end()]);
    await cluster?.stop();
    folder?.remove();
  });

  /** The login of each session that a service of that kind has. */
  const loginsOf = async (kind: string): Promise<string[]> => {
    const { rows } = await owner.query<{ login: string }>(
      "SELECT DISTINCT usename AS login FROM pg_stat_activity WHERE application_name LIKE $1",
      [`understudy:${kind}-%`],
    );
    return rows.map(({ login }) => login);
  };

  it.each(["message-server", "app-server", "db-pool"])("has %s serve as the application", async (kind) => {
    await eventually(async () => (await loginsOf(kind)).join() === applicationRole, {
      withinMs: 20_000,
      describe: `sessions of ${kind}`,
    });
  });

  it("takes an order that way, marks its commit, and works on its jobs", async () => {
    const { items } = (await (await fetch(`${cluster.url}/api/items?limit=1`)).json()) as { items: { id: number }[] };
    const { items: customers } = (await (await fetch(`${cluster.url}/api/customers?limit=1`)).json()) as {
      items: { id: number }[];
    };
    const answer = await fetch(`${cluster.url}/api/orders`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "as-the-application" },
      body: JSON.stringify({ customerId: customers[0]?.id, positions: [{ itemId: items[0]?.id, quantity: 1 }] }),
    });
    expect(answer.status).toBe(201);
    const { id } = (await answer.json()) as { id: string };
    const { rows } = await owner.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM order_entry.orders WHERE id = $1",
      [id],
    );
    expect(rows).toEqual([{ count: 1 }]);
    // Its confirmation is a job of the queue.
    await eventually(
      async () =>
        (await owner.query("SELECT 1 FROM order_entry.outbox WHERE order_id = $1", [id])).rowCount !== 0 || undefined,
      { withinMs: 20_000, describe: "the confirmation stands in the outbox" },
    );
  });

  it("has nothing that the application could not read and change, and nothing that it owns", async () => {
    const { rows } = await application.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
          AND (c.relowner = current_user::regrole OR NOT (
            has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
            AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
            AND has_table_privilege(c.oid, 'DELETE')))`,
    );
    expect(rows).toEqual([]);
    await owner.query("CREATE SCHEMA later");
    await owner.query("CREATE TABLE later.made (id int)");
    await application.query("INSERT INTO later.made VALUES (1)");
  });

  it.each([
    "CREATE TABLE order_entry.other (id int)",
    "CREATE SCHEMA other",
    "ALTER TABLE order_entry.orders ADD COLUMN other int",
    "DROP TABLE order_entry.orders",
    "TRUNCATE work_queue.job",
    "ALTER ROLE understudy_application SUPERUSER",
    `SET ROLE ${ownerRole}`,
  ])("refuses the application: %s", async (statement) => {
    await expect(application.query(statement)).rejects.toMatchObject({ code: "42501" });
  });

  it("refuses a client without TLS at both instances, whatever its password", async () => {
    for (const { id, url } of cluster.databaseInstances) {
      const { hostname, port, username, password, pathname } = new URL(url);
      const client = new pg.Client({
        host: hostname,
        port: Number(port),
        user: username,
        password,
        database: pathname.slice(1),
        ssl: false,
      });
      client.on("error", () => undefined);
      await expect(client.connect().then(() => id)).rejects.toMatchObject({
        code: "28000",
        message: expect.stringContaining("no encryption"),
      });
    }
  });

  it("refuses one service's password at another role, and a role that nobody may log in as", async () => {
    const settings = cluster.databaseSettings("machine-b", 1);
    const foreign = createPool({ ...ownerSettings(settings), password: settings.password }, identity, options, log);
    await expect(foreign.query("SELECT 1")).rejects.toMatchObject({ code: "28P01" });
    await foreign.end();
    const superuser = settings.url.replace(`//${applicationRole}@`, "//postgres@");
    const above = createPool({ ...settings, url: superuser }, identity, options, log);
    await expect(above.query("SELECT 1")).rejects.toThrow(/no pg_hba.conf entry for host .* user "postgres"/);
    await above.end();
  });

  it("is believed by no pool that was given another authority", async () => {
    const settings = { ...cluster.databaseSettings("machine-b", 1), authority: elsewhere.authorities };
    const pool = createPool(settings, identity, options, log);
    await expect(pool.query("SELECT 1")).rejects.toMatchObject({ code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
    await pool.end();
    expect((await application.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  /** Whether the keepers' superuser gets in with what is derived from `secret`; the keepers' own session would do so. */
  const asKeeper = async (member: string, secret: string): Promise<boolean> => {
    const { port } = new URL(cluster.databaseInstances.find(({ id }) => id === member)?.url ?? "");
    const client = new pg.Client({
      host: "127.0.0.1",
      port: Number(port),
      user: "understudy_keeper",
      password: createHmac("sha256", secret).update("understudy_keeper").digest("hex"),
      database: "postgres",
      ssl: { ca: cluster.authority as string },
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === "28P01") return false;
      throw error;
    } finally {
      await client.end().catch(() => undefined);
    }
  };

  it("gets another superuser's password keeper by keeper; then the former one is of no use", async () => {
    const { secrets } = cluster.folder;
    const told = () =>
      readFileSync(secretFile(secrets, "postgres-a", "superuser.password"), "utf8")
        .trim()
        .split("\n");
    const members = ["postgres-a", "postgres-b"];
    /** The keeper reads its secrets anew; the standby's first. */
    const renewed = async (): Promise<void> => {
      const { rows } = await owner.query<{ member: string }>(
        "SELECT application_name AS member FROM pg_stat_replication",
      );
      const standby = rows.find(({ member }) => members.includes(member))?.member as string;
      for (const member of [standby, ...members.filter((each) => each !== standby)]) {
        const keeper = member.replace("postgres", "db-keeper");
        await cluster.control("kill", keeper);
        await eventually(
          async () => {
            const streams = await owner.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'quorum'");
            return streams.rowCount === 1 && cluster.processes.every(({ state }) => state === "running");
          },
          { withinMs: 60_000, describe: `${member} is back and both are in sync` },
        );
      }
    };
    const [former = ""] = told();
    expect(await asKeeper("postgres-a", former)).toBe(true);
    await rotateSecrets(secrets, "postgres-superuser");
    const [present = ""] = told();
    await renewed();
    for (const member of members) {
      await eventually(() => asKeeper(member, present), { withinMs: 30_000, describe: `${member} knows the new one` });
      expect(await asKeeper(member, former)).toBe(false);
    }
    finishRotation(secrets, "postgres-superuser");
    expect(told()).toEqual([present]);
    await renewed();
    expect((await owner.query("SELECT 1")).rowCount).toBe(1);
  }, 300_000);
});
