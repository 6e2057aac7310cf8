import { startRig, type Rig } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  await rig.direct.query("CREATE TABLE t (id uuid PRIMARY KEY, v int)");
});
afterAll(() => rig.stop());

it("reads, writes and commits as pg does", async () => {
  const pool = rig.pool();
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  const inserted = await pool.query("INSERT INTO t VALUES (gen_random_uuid(), $1) RETURNING v", [5]);
  expect(inserted.command).toBe("INSERT");
  expect(inserted.rowCount).toBe(1);
  expect(inserted.rows).toEqual([{ v: 5 }]);
  const client = await pool.connect();
  const begun = await client.query("BEGIN");
  expect(begun.command).toBe("BEGIN");
  expect((await client.query("UPDATE t SET v = v + 1 RETURNING v")).rows).toEqual([{ v: 6 }]);
  const committed = await client.query("COMMIT");
  expect(committed.command).toBe("COMMIT");
  client.release();
  expect((await rig.direct.query("SELECT v FROM t")).rows).toEqual([{ v: 6 }]);
  expect((await rig.direct.query("SELECT count(*)::int AS n FROM understudy.commit_outcome")).rows).toEqual([{ n: 2 }]);
  await pool.end();
});
it("survives cuts", async () => {
  const pool = rig.pool();
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("UPDATE t SET v = 10");
  rig.link.reset();
  await client.query("UPDATE t SET v = v + 10");
  rig.link.reset();
  await client.query("COMMIT");
  client.release();
  expect((await rig.direct.query("SELECT v FROM t")).rows).toEqual([{ v: 20 }]);
  expect(pool.figures.replays).toBe(2);
  await pool.end();
});
