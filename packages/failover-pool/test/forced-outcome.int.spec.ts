/** P4 and D4 attacked on real servers: a COMMIT that comes late, a pruned key, a cancelled wait for the standby. */
import { randomUUID } from "node:crypto";
import { eventually, PostgresPair } from "@understudy/testkit";
import { FailoverPool } from "@understudy/failover-pool";
import { markerSql, markerTableMigration } from "../src/continuity/marker-table.ts";

let pair: PostgresPair;
const sql = markerSql(undefined);

beforeAll(async () => {
  pair = await PostgresPair.start();
  await pair.pool().query(markerTableMigration());
  await pair.pool().query("CREATE TABLE kept (key text PRIMARY KEY)");
});
afterAll(() => pair.remove());

const nobody = [0, "0"] as const;

async function sessionOf(client: { query: (text: string) => Promise<{ rows: { pid: number; start: string }[] }> }) {
  const { rows } = await client.query(
    "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint::text AS start FROM pg_stat_activity WHERE pid = pg_backend_pid()",
  );
  return [rows[0]?.pid ?? 0, rows[0]?.start ?? "0"] as const;
}

it("a COMMIT that arrives behind the tombstone undoes its transaction", async () => {
  const operation = randomUUID();
  const late = await pair.pool().connect();
  await late.query("BEGIN");
  await late.query("INSERT INTO kept VALUES ('late')");
  const tombstone = await pair.pool().query(sql.writeTombstone, [operation, 1, ...nobody]);
  expect(tombstone.rowCount).toBe(1);
  await expect(late.query(`${sql.insert(operation, 1)};COMMIT`)).rejects.toMatchObject({ code: "23505" });
  await late.query("ROLLBACK");
  late.release();
  expect(await pair.primary.query("SELECT FROM kept WHERE key = 'late'")).toHaveLength(0);
});

it("a tombstone waits for a transaction that is open with the same key, and then finds its marker", async () => {
  const operation = randomUUID();
  const open = await pair.pool().connect();
  await open.query("BEGIN");
  await open.query(sql.insert(operation, 1));
  let isAnswered = false;
  const resolver = pair.pool();
  const tombstone = resolver.query(sql.writeTombstone, [operation, 1, ...nobody]).finally(() => (isAnswered = true));
  await eventually(
    async () =>
      (
        await pair.primary.query(
          "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ON CONFLICT%'",
        )
      ).length > 0,
  );
  expect(isAnswered).toBe(false);
  await open.query("COMMIT");
  open.release();
  expect((await tombstone).rowCount).toBe(0);
  const { rows } = await resolver.query(sql.readOutcome, [operation, 1]);
  expect(rows).toEqual([{ is_tombstone: false }]);
});

it("a tombstone is pruned only when the session it was written against is gone", async () => {
  const key = randomUUID();
  const holder = pair.pool(pair.primary, { max: 1 });
  const late = await holder.connect();
  await late.query("BEGIN");
  await pair.pool().query(sql.writeTombstone, [key, 1, ...(await sessionOf(late))]);
  const bounds = [key, "ffffffff-ffff-ffff-ffff-ffffffffffff"];
  await pair.pool().query(sql.pruneSettled, bounds);
  expect((await pair.pool().query(sql.readOutcome, [key, 1])).rows).toEqual([{ is_tombstone: true }]);
  await expect(late.query(`${sql.insert(key, 1)};COMMIT`)).rejects.toMatchObject({ code: "23505" });
  late.release(true);
  await holder.end();
  await eventually(async () => {
    await pair.pool().query(sql.pruneSettled, bounds);
    return (await pair.pool().query(sql.readOutcome, [key, 1])).rows.length === 0;
  });
});

describe("while the standby does not answer", () => {
  let pool: FailoverPool;
  beforeEach(async () => {
    pool = new FailoverPool({ connectionString: pair.url, password: pair.password, max: 2 });
    await pool.query("INSERT INTO kept VALUES ($1)", [randomUUID()]);
    pair.standby.freeze();
  });
  afterEach(async () => {
    pair.standby.thaw();
    await pool.end();
  });

  const cancelWaits = async (): Promise<number> => {
    const rows = await pair.primary.query(
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
    );
    return rows.length;
  };

  it.each(["COMMIT", "a marked INSERT"])("a cancelled wait of %s is not taken for an answer", async (what) => {
    const key = randomUUID();
    let isTold = false;
    const write =
      what === "COMMIT"
        ? pool.transaction((client) => client.query("INSERT INTO kept VALUES ($1)", [key]))
        : pool.query("INSERT INTO kept VALUES ($1)", [key]);
    const told = write.finally(() => (isTold = true));
    // The write, and then the writes behind it that would prove it: whatever is cancelled, nothing is told.
    for (let times = 0; times < 3; times++)
      await eventually(async () => (await cancelWaits()) > 0, { describe: "a commit waits for the standby" });
    expect(await pair.primary.query("SELECT FROM kept WHERE key = $1", [key])).toHaveLength(1);
    expect(isTold).toBe(false);
    pair.standby.thaw();
    await told;
    expect(await pair.primary.query("SELECT FROM kept WHERE key = $1", [key])).toHaveLength(1);
  });
});
