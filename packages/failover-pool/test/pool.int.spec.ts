/** What pg.Pool promises, held by FailoverPool: each claim is run against both. After pg-pool's own tests. */
import pg from "pg";
import { eventually } from "@understudy/testkit";
import { startRig, type Rig } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ fsync: "off" });
  await rig.direct.query("CREATE TABLE t (id int PRIMARY KEY, v text)");
});
afterAll(() => rig.stop());

type Make = (options?: pg.PoolConfig) => pg.Pool;
const kinds: [string, Make][] = [
  ["pg.Pool", (options) => rig.plain(options)],
  ["FailoverPool", (options) => rig.pool(options)],
];

/** `pg` promises results by shape; of classes only what callers can see. */
const shape = ({ command, rowCount, oid, rows, fields, rowAsArray }: Record<string, unknown>) => ({
  command,
  rowCount,
  oid,
  rows,
  rowAsArray,
  fields: (fields as { name: string; dataTypeID: number }[]).map(({ name, dataTypeID }) => ({ name, dataTypeID })),
});

describe.each(kinds)("%s", (_kind, make) => {
  let pool: pg.Pool;
  afterEach(async () => {
    if (!pool.ending) await pool.end();
  });

  it("answers by promise and by callback, with and without values", async () => {
    pool = make();
    expect((await pool.query("SELECT $1::int AS n", [1])).rows).toEqual([{ n: 1 }]);
    const byCallback = await new Promise((resolve, reject) =>
      pool.query("SELECT 2 AS n", (error: Error | undefined, result: pg.QueryResult) =>
        error ? reject(error) : resolve(result.rows),
      ),
    );
    expect(byCallback).toEqual([{ n: 2 }]);
    const withValues = await new Promise((resolve, reject) =>
      pool.query("SELECT $1::int AS n", [3], (error, result) => (error ? reject(error) : resolve(result.rows))),
    );
    expect(withValues).toEqual([{ n: 3 }]);
  });

  it("takes query objects: named, as arrays, with types of their own", async () => {
    pool = make({ max: 1 });
    const named = { name: "one", text: "SELECT $1::int AS n", values: [1] };
    expect((await pool.query(named)).rows).toEqual([{ n: 1 }]);
    expect((await pool.query({ ...named, values: [2] })).rows).toEqual([{ n: 2 }]);
    expect((await pool.query({ text: "SELECT 1 AS a, 2 AS b", rowMode: "array" })).rows).toEqual([[1, 2]]);
    const types = { getTypeParser: () => (value: unknown) => `<${String(value)}>` } as never;
    expect((await pool.query({ text: "SELECT 1 AS a", types })).rows).toEqual([{ a: "<1>" }]);
    await expect(pool.query({ name: "one", text: "SELECT 5" })).rejects.toThrow("must be unique");
  });

  it("tells the errors of the database as they are", async () => {
    pool = make();
    await pool.query("INSERT INTO t VALUES (1, 'a') ON CONFLICT DO NOTHING");
    await expect(pool.query("INSERT INTO t VALUES ($1, 'a')", [1])).rejects.toMatchObject({
      code: "23505",
      constraint: "t_pkey",
    });
    await expect(pool.query("SELEC 1")).rejects.toMatchObject({ code: "42601", position: "1" });
    await expect(pool.query("INSERT INTO t VALUES (1, nothing)")).rejects.toMatchObject({
      code: "42703",
      position: "26",
    });
    await expect(pool.query("SELECT $1::int", ["x"])).rejects.toMatchObject({ code: "22P02" });
    await expect(pool.query("SELECT $1", "no array" as never)).rejects.toThrow("Query values must be an array");
  });

  it("hands out clients, counts them and takes them back", async () => {
    pool = make({ max: 2 });
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([0, 0, 0]);
    const first = await pool.connect();
    const second = await pool.connect();
    const third = pool.connect();
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([2, 0, 1]);
    first.release();
    (await third).release();
    second.release();
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([2, 2, 0]);
  });

  it("serves waiting callers in their order", async () => {
    pool = make({ max: 1 });
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, async (_, turn) => {
        await pool.query("SELECT 1");
        order.push(turn);
      }),
    );
    expect(order).toEqual(Array.from({ length: 20 }, (_, turn) => turn));
  });

  it("hands a client to a callback together with its release", async () => {
    pool = make();
    await new Promise<void>((resolve, reject) =>
      pool.connect((error, client, done) => {
        if (error || client === undefined) return reject(error);
        client.query("SELECT 1", () => {
          done();
          resolve();
        });
      }),
    );
    expect(pool.idleCount).toBe(1);
  });

  it("throws when a client is released twice", async () => {
    pool = make();
    const client = await pool.connect();
    client.release();
    expect(() => client.release()).toThrow("Release called on client which has already been released to the pool.");
  });

  it("removes a client that is released with an error", async () => {
    pool = make();
    const removed = new Promise((resolve) => pool.once("remove", resolve));
    const client = await pool.connect();
    client.release(new Error("broken"));
    expect(await removed).toBe(client);
    expect(pool.totalCount).toBe(0);
  });

  it("tells connect, acquire, release and remove", async () => {
    pool = make({ max: 1 });
    const events: string[] = [];
    for (const event of ["connect", "acquire", "release", "remove"] as const) pool.on(event, () => events.push(event));
    await pool.query("SELECT 1");
    await pool.query("SELECT 1");
    await pool.end();
    await eventually(() => events.includes("remove"));
    expect(events).toEqual(["connect", "acquire", "release", "acquire", "release", "remove"]);
  });

  it("runs what `connect` and `onConnect` say before a caller's first statement", async () => {
    pool = make({ max: 1, onConnect: ((client: pg.PoolClient) => client.query("SET app.a = 'one'")) as never });
    pool.on("connect", (client) => void client.query("SET app.b = 'two'"));
    const { rows } = await pool.query("SELECT current_setting('app.a') AS a, current_setting('app.b') AS b");
    expect(rows).toEqual([{ a: "one", b: "two" }]);
  });

  it("does not hand out a client that `verify` refuses", async () => {
    let calls = 0;
    pool = make({ verify: (_client, done) => done(++calls === 1 ? new Error("refused") : undefined) });
    await expect(pool.query("SELECT 1")).rejects.toThrow("refused");
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    await pool.query("SELECT 1");
    expect(calls).toBe(2);
  });

  it("closes clients that are idle too long, used too often or too old", async () => {
    pool = make({ idleTimeoutMillis: 50 });
    await pool.query("SELECT 1");
    await eventually(() => pool.totalCount === 0);
    await pool.end();
    pool = make({ max: 1, maxUses: 2 });
    const pids = [];
    for (let use = 0; use < 4; use++) pids.push((await pool.query("SELECT pg_backend_pid() AS pid")).rows[0].pid);
    expect(new Set(pids).size).toBe(2);
    await pool.end();
    pool = make({ maxLifetimeSeconds: 1 });
    await pool.query("SELECT 1");
    await eventually(() => pool.totalCount === 0);
  });

  it("says that the wait for a client took too long", async () => {
    pool = make({ max: 1, connectionTimeoutMillis: 1_000 });
    const client = await pool.connect();
    await expect(pool.connect()).rejects.toThrow("timeout exceeded when trying to connect");
    expect(pool.waitingCount).toBe(0);
    client.release();
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("gives up a statement after `query_timeout`, and goes on", async () => {
    pool = make({ max: 1 });
    await expect(pool.query({ text: "SELECT pg_sleep(0.3)", query_timeout: 50 } as never)).rejects.toThrow(
      "Query read timeout",
    );
    expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  it("ends: idle clients go, later callers are refused, a second end is an error", async () => {
    pool = make();
    const client = await pool.connect();
    const ended = pool.end();
    await expect(pool.connect()).rejects.toThrow("Cannot use a pool after calling end on the pool");
    await expect(pool.end()).rejects.toThrow("Called end on pool more than once");
    expect(pool.ended).toBe(false);
    client.release();
    await ended;
    expect([pool.ended, pool.totalCount]).toEqual([true, 0]);
  });

  it("runs statements of one client in order, though nobody awaits them", async () => {
    pool = make();
    const client = await pool.connect();
    const answers = await Promise.all([1, 2, 3, 4].map((n) => client.query("SELECT $1::int AS n", [n])));
    expect(answers.map(({ rows }) => rows[0].n)).toEqual([1, 2, 3, 4]);
    client.release();
  });

  it("keeps a failed transaction failed until ROLLBACK", async () => {
    pool = make();
    const client = await pool.connect();
    await client.query("BEGIN");
    await expect(client.query("SELEC")).rejects.toMatchObject({ code: "42601" });
    await expect(client.query("SELECT 1")).rejects.toMatchObject({ code: "25P02" });
    await client.query("ROLLBACK");
    expect((await client.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    client.release();
  });

  it("tells notices and notifications on the client", async () => {
    pool = make();
    const client = await pool.connect();
    const heard: unknown[] = [];
    client.on("notice", ({ message }) => heard.push(message));
    client.on("notification", ({ channel, payload }) => heard.push([channel, payload]));
    await client.query("DO $$ BEGIN RAISE NOTICE 'hello'; END $$");
    await client.query("LISTEN news");
    await client.query("NOTIFY news, 'fresh'");
    await eventually(() => heard.length === 2);
    expect(heard).toEqual(["hello", ["news", "fresh"]]);
    client.release(true);
  });
});

const texts: [string, unknown[]?][] = [
  ["SELECT 1 AS one, 'x' AS two"],
  ["SELECT id FROM t WHERE id < 0"],
  ["INSERT INTO t VALUES ($1, $2)", [100, "a"]],
  ["INSERT INTO t VALUES ($1, $2) RETURNING id, v", [101, "b"]],
  ["UPDATE t SET v = $1 WHERE id >= 100", ["c"]],
  ["UPDATE t SET v = 'd' WHERE id = 100 RETURNING *"],
  ["WITH x AS (SELECT 100 AS id) DELETE FROM t USING x WHERE t.id = x.id"],
  ["DELETE FROM t WHERE id >= 100"],
  ["SELECT 1 AS a; SELECT 2 AS b"],
  ["BEGIN"],
  ["INSERT INTO t VALUES (200, 'x')"],
  ["SAVEPOINT a"],
  ["UPDATE t SET v = 'y' WHERE id = 200"],
  ["ROLLBACK TO SAVEPOINT a"],
  ["COMMIT"],
  ["START TRANSACTION ISOLATION LEVEL REPEATABLE READ"],
  ["DELETE FROM t WHERE id = 200"],
  ["COMMIT"],
  ["begin"],
  ["SELECT count(*)::int AS n FROM t"],
  ["ROLLBACK"],
  ["BEGIN"],
  ["COMMIT"],
  ["CREATE TEMP TABLE temporary_t (n int)"],
  ["SET statement_timeout = 0"],
  ["SHOW statement_timeout"],
  [""],
];

it("results look exactly as pg's, statement by statement", async () => {
  const ours = await rig.pool().connect();
  const theirs = await rig.plain().connect();
  const seen: unknown[][] = [[], []];
  for (const [index, client] of [ours, theirs].entries()) {
    for (const [text, values] of texts) {
      const result: unknown = await client.query(text, values);
      const all = Array.isArray(result) ? result : [result];
      seen[index]?.push([text, all.map((one) => shape(one))]);
    }
    await client.query("DELETE FROM t WHERE id >= 100");
  }
  expect(seen[0]).toEqual(seen[1]);
  ours.release();
  theirs.release();
});

it("is a pg.Pool, and says that a wrong password is wrong at once", async () => {
  const pool = rig.pool({ password: "wrong" });
  expect(pool).toBeInstanceOf(pg.Pool);
  const begunMs = performance.now();
  await expect(pool.query("SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  expect(performance.now() - begunMs).toBeLessThan(5_000);
  await pool.end();
});

it("refuses a stranger, and a database that does not exist, at once", async () => {
  const stranger = rig.pool({ expectedSystemIdentifier: "1" });
  await expect(stranger.query("SELECT 1")).rejects.toThrow("No host belongs to system 1");
  const missing = rig.pool({ database: "nowhere" });
  await expect(missing.query("SELECT 1")).rejects.toMatchObject({ code: "3D000" });
});

it("with continuity off a lost connection is an error, as with pg.Pool", async () => {
  const pool = rig.pool({ continuity: false });
  const client = await pool.connect();
  await client.query("SELECT 1");
  // Awaited from the start: it may fail before the one who ends it knows that it did.
  const told = client.query("SELECT pg_sleep(5)").catch((error: unknown) => error);
  await eventually(
    async () =>
      (
        await rig.direct.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%sleep(5)' AND pid <> pg_backend_pid()",
        )
      ).rows.length > 0,
  );
  expect(await told).toMatchObject({ code: "57P01" });
  client.release(true);
});
