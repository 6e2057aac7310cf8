import { OperationalError, StandingRefusedError } from "@understudy/runtime";
import { application } from "@understudy/order-entry";
import { checkConsistency } from "@understudy/order-entry/testing";
import { eventually, PostgresServer } from "@understudy/testkit";
import { createDataSource } from "../src/database/data-source.ts";
import { OrderEntryRig, smallest } from "./rig.ts";

const tables = [
  "items",
  "warehouses",
  "districts",
  "customers",
  "stock",
  "history",
  "orders",
  "order_positions",
  "new_orders",
];

let server: PostgresServer;
let rig: OrderEntryRig;
let databases = 0;
const newRig = () => OrderEntryRig.start(server, `prepare_${(databases += 1)}`);

beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server.remove());
beforeEach(async () => {
  rig = await newRig();
});
afterEach(() => rig.stop());

async function contents({ pool }: OrderEntryRig): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const table of tables) {
    const { rows } = await pool.query<{ hash: string }>(
      `SELECT count(*) || ' ' || md5(string_agg(t::text, '' ORDER BY t::text)) AS hash FROM order_entry.${table} t`,
    );
    hashes[table] = rows[0]?.hash ?? "";
  }
  return hashes;
}
const countOf = async ({ pool }: OrderEntryRig, table: string): Promise<number> =>
  Number((await pool.query(`SELECT count(*) FROM order_entry.${table}`)).rows[0].count);

describe("preparing the database", () => {
  it("makes tables and data once when several servers start together", async () => {
    const contexts = await Promise.all(["a", "b", "c"].map((letter) => rig.accepted({ id: `app-server-${letter}` })));
    await Promise.all(contexts.map((context) => application.prepare(context)));
    expect(await countOf(rig, "migrations")).toBe(2);
    expect(await countOf(rig, "warehouses")).toBe(1);
    expect(await checkConsistency(rig.pool)).toEqual([]);
  });

  it("changes nothing when everything is there", async () => {
    await application.prepare(await rig.accepted());
    const before = await contents(rig);
    await application.prepare(await rig.accepted());
    expect(await contents(rig)).toEqual(before);
  });

  it("leaves no session and no lock behind", async () => {
    const context = await rig.accepted();
    await application.prepare(context);
    const { rows } = await rig.pool.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'");
    expect(rows).toEqual([]);
    await eventually(
      async () => {
        const found = await rig.pool.query(
          "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'understudy:%' AND datname = $1",
          [rig.database],
        );
        return found.rowCount === 0;
      },
      { describe: "its connection is closed" },
    );
  });

  it("makes exactly the tables that the entities describe", async () => {
    const context = await rig.accepted();
    await application.prepare(context);
    const { source, close } = createDataSource(context, { purpose: "serving" });
    await source.initialize();
    try {
      const differences = async () =>
        (await source.driver.createSchemaBuilder().log()).upQueries.map(({ query }) => query);
      expect(await differences()).toEqual([]);
      // And would tell if they differed.
      await rig.pool.query("ALTER TABLE order_entry.items ALTER COLUMN price_cents TYPE bigint");
      expect(await differences()).not.toEqual([]);
    } finally {
      await close();
    }
  });

  it("can undo its migrations and make them again", async () => {
    const context = await rig.accepted();
    await application.prepare(context);
    const { source, close } = createDataSource(context, { purpose: "serving" });
    await source.initialize();
    try {
      await source.undoLastMigration();
      await source.undoLastMigration();
    } finally {
      await close();
    }
    const { rows } = await rig.pool.query(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = 'order_entry'",
    );
    expect(rows).toEqual([{ table_name: "migrations" }]);
    await application.prepare(context);
    expect(await checkConsistency(rig.pool)).toEqual([]);
  });

  it("leaves no data when it is ended in the middle, and makes them complete the next time", async () => {
    const context = await rig.accepted({ configuration: { UNDERSTUDY_ORDER_ENTRY_DENSITY: 5 } });
    const first = application.prepare(context).then(
      () => "done",
      (error: unknown) => error,
    );
    await eventually(
      async () => {
        const { rows } = await rig.pool.query<{ pg_terminate_backend: boolean }>(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = $1 AND query LIKE 'INSERT INTO order_entry.order_positions%'`,
          [rig.database],
        );
        return rows.length > 0;
      },
      { describe: "the positions are being written", withinMs: 30_000 },
    );
    const end = await first;
    expect(end).toBeInstanceOf(OperationalError);
    expect(end).toMatchObject({ code: "database-unavailable", retryable: true });
    for (const table of [...tables, "first_data"]) expect([table, await countOf(rig, table)]).toEqual([table, 0]);

    await application.prepare(context);
    expect(await countOf(rig, "customers")).toBe(1_500);
    expect(await checkConsistency(rig.pool)).toEqual([]);
  });

  it("gives the same data in every database, and warehouses added later as if they had been there at first", async () => {
    const grown = { ...smallest, UNDERSTUDY_ORDER_ENTRY_SCALE: 3 };
    await application.prepare(await rig.accepted());
    await application.prepare(await rig.accepted({ configuration: { UNDERSTUDY_ORDER_ENTRY_SCALE: 3 } }));
    const other = await newRig();
    try {
      await application.prepare(await other.accepted({ configuration: grown }));
      expect(await contents(other)).toEqual(await contents(rig));
      expect(await countOf(other, "warehouses")).toBe(3);
      expect(await checkConsistency(other.pool)).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  it("keeps the data when fewer warehouses are asked for than there are", async () => {
    await application.prepare(await rig.accepted({ configuration: { ...smallest, UNDERSTUDY_ORDER_ENTRY_SCALE: 2 } }));
    await application.prepare(await rig.accepted({ configuration: { UNDERSTUDY_ORDER_ENTRY_SCALE: 1 } }));
    expect(await countOf(rig, "warehouses")).toBe(2);
  });

  it("refuses a density that contradicts the data, and lets go of its lock", async () => {
    await application.prepare(await rig.accepted());
    const contradicting = await rig.accepted({ configuration: { UNDERSTUDY_ORDER_ENTRY_DENSITY: 2 } });
    await expect(application.prepare(contradicting)).rejects.toThrow(/UNDERSTUDY_ORDER_ENTRY_DENSITY: is 2/);
    await application.prepare(await rig.accepted());
  });

  it("is refused to an incarnation that nobody accepted", async () => {
    await expect(application.prepare(rig.context())).rejects.toThrow(StandingRefusedError);
  });

  it("says that the database is away, which may pass", async () => {
    await expect(application.prepare(rig.context({ port: 1 }))).rejects.toMatchObject({
      code: "database-unavailable",
      retryable: true,
    });
  });
});
