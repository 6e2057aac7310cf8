/** P3 and P6: what is run again, what is refused, and what callers are told. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type pg from "pg";
import Cursor from "pg-cursor";
import { eventually, PostgresServer } from "@understudy/testkit";
import {
  DatabaseUnavailableError,
  FailoverPool,
  OutcomeUnknownError,
  ReplayDivergedError,
  RolledBackError,
  SessionStateLostError,
  SynchronousCommitError,
  TransactionLostError,
  type DoubtfulCommit,
  type FailoverPoolOptions,
} from "@understudy/failover-pool";
import { CutProxy } from "./cut-proxy.ts";

let server: PostgresServer;
let proxy: CutProxy;
let direct: pg.Pool;
let pool: FailoverPool;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: { fsync: "off", max_connections: "25" } });
  proxy = await CutProxy.start(server.options.port);
  direct = server.pool({ max: 4 });
  await direct.query("CREATE TABLE kept (id serial PRIMARY KEY, key text NOT NULL)");
  await direct.query(`CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS
    $$ INSERT INTO kept (key) VALUES ('written by a function') RETURNING id $$`);
});
afterAll(async () => {
  await proxy.stop();
  await server.remove();
});

const make = (options: FailoverPoolOptions = {}): FailoverPool =>
  new FailoverPool({
    host: "127.0.0.1",
    port: proxy.port,
    user: "postgres",
    password: server.password,
    database: server.options.database,
    max: 2,
    ...options,
  });

beforeEach(() => {
  pool = make();
});
afterEach(async () => {
  if (!pool.ending) await pool.end();
});

/** The backend of this client is ended, as when its server goes; the client has not noticed yet. */
async function loseConnection(client: pg.PoolClient): Promise<void> {
  const { processID } = client as unknown as { processID: number };
  await direct.query("SELECT pg_terminate_backend($1, 5000)", [processID]);
}

const count = async (key: string): Promise<number> =>
  Number((await direct.query("SELECT count(*) AS n FROM kept WHERE key = $1", [key])).rows[0]?.n);

it("a result that changed between run and replay is reported, and nothing is committed", async () => {
  const key = randomUUID();
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("SELECT count(*) FROM kept WHERE key = 'elsewhere'");
  await client.query("INSERT INTO kept (key) VALUES ($1)", [key]);
  await direct.query("INSERT INTO kept (key) VALUES ('elsewhere')");
  await loseConnection(client);
  await expect(client.query("SELECT 1")).rejects.toBeInstanceOf(ReplayDivergedError);
  await expect(client.query("SELECT 1")).rejects.toBeInstanceOf(TransactionLostError);
  await client.query("ROLLBACK");
  expect((await client.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  client.release();
  expect(await count(key)).toBe(0);
});

it("a volatile result that the caller saw makes a replay diverge", async () => {
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("SELECT clock_timestamp()");
  await loseConnection(client);
  await expect(client.query("COMMIT")).rejects.toMatchObject({ code: "REPLAY_DIVERGED", committed: "no" });
  client.release();
});

it("savepoints and failed statements are replayed as they were", async () => {
  const key = randomUUID();
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("INSERT INTO kept (key) VALUES ($1)", [key]);
  await client.query("SAVEPOINT a");
  await expect(client.query("INSERT INTO kept (id, key) SELECT id, 'twice' FROM kept")).rejects.toMatchObject({
    code: "23505",
  });
  await loseConnection(client);
  await client.query("ROLLBACK TO SAVEPOINT a");
  await client.query("COMMIT");
  client.release();
  expect(await count(key)).toBe(1);
});

it("values that the database made are bound again where that is proven", async () => {
  const client = await pool.connect();
  await client.query("BEGIN");
  const inserted = await client.query(`INSERT INTO "kept"("id", "key") VALUES (DEFAULT, $1) RETURNING "id"`, ["bound"]);
  await loseConnection(client);
  await client.query("COMMIT");
  client.release();
  expect((await direct.query("SELECT id FROM kept WHERE key = 'bound'")).rows).toEqual(inserted.rows);
});

it("what a caller does to its values afterwards does not change the replay", async () => {
  const values = [Buffer.from("before"), { a: 1 }] as [Buffer, { a: number }];
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("INSERT INTO kept (key) VALUES (convert_from($1, 'UTF8') || ($2::jsonb)::text)", values);
  values[0].write("AFTER!");
  values[1].a = 2;
  await loseConnection(client);
  await client.query("COMMIT");
  client.release();
  expect(await count('before{"a": 1}')).toBe(1);
});

it.each([
  ["SET work_mem = '1MB'", "setting"],
  ["SELECT pg_advisory_lock(1)", "advisory-lock"],
  ["CREATE TEMP TABLE mine (n int)", "temporary-object"],
  ["PREPARE p AS SELECT 1", "prepared-statement"],
])("after %s a lost connection is told, and the next user of the pool is not", async (text, effect) => {
  const client = await pool.connect();
  const errors: Error[] = [];
  client.on("error", (error) => errors.push(error));
  await client.query(text);
  await loseConnection(client);
  const told = client.query("SELECT 1");
  await expect(told).rejects.toBeInstanceOf(SessionStateLostError);
  await expect(told).rejects.toMatchObject({ effects: [effect], committed: "no" });
  await expect(client.query("SELECT 1")).rejects.toBeInstanceOf(SessionStateLostError);
  expect(errors.length).toBeGreaterThan(0);
  client.release();
  expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
});

it("a session without state is replaced without a word", async () => {
  const client = await pool.connect();
  await client.query("SELECT 1");
  await loseConnection(client);
  expect((await client.query("SELECT 2 AS n")).rows).toEqual([{ n: 2 }]);
  client.release();
});

it("a transaction with a cursor in it is not replayed", async () => {
  const client = await pool.connect();
  await client.query("BEGIN");
  const cursor = client.query(new Cursor("SELECT generate_series(1, 10) AS n"));
  expect(await cursor.read(2)).toEqual([{ n: 1 }, { n: 2 }]);
  await cursor.close();
  await loseConnection(client);
  await expect(client.query("SELECT 1")).rejects.toBeInstanceOf(TransactionLostError);
  await client.query("ROLLBACK");
  client.release();
});

it("a cursor outside a transaction works as with pg", async () => {
  const client = await pool.connect();
  const cursor = client.query(new Cursor("SELECT generate_series(1, 3) AS n"));
  expect(await cursor.read(5)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  expect(await cursor.read(5)).toEqual([]);
  expect((await client.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  client.release();
});

it("a transaction longer than its limit is told when it is lost, and commits when it is not", async () => {
  const short = make({ continuity: { maxStatements: 2 } });
  const key = randomUUID();
  const run = async (isLost: boolean): Promise<void> => {
    const client = await short.connect();
    try {
      await client.query("BEGIN");
      for (let n = 0; n < 3; n++) await client.query("INSERT INTO kept (key) VALUES ($1)", [key]);
      if (isLost) await loseConnection(client);
      await client.query("COMMIT");
    } finally {
      client.release();
    }
  };
  await expect(run(true)).rejects.toBeInstanceOf(TransactionLostError);
  expect(await count(key)).toBe(0);
  await run(false);
  expect(await count(key)).toBe(3);
  await short.end();
});

it("COMMIT of a failed transaction is an error", async () => {
  const client = await pool.connect();
  await client.query("BEGIN");
  await expect(client.query("SELEC")).rejects.toThrow();
  await expect(client.query("COMMIT")).rejects.toBeInstanceOf(RolledBackError);
  expect((await client.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  client.release();
});

it("a client that is released inside a transaction is closed, and nothing of it is committed", async () => {
  const key = randomUUID();
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("INSERT INTO kept (key) VALUES ($1)", [key]);
  client.release();
  expect(pool.idleCount).toBe(0);
  await eventually(async () => (await count(key)) === 0);
});

it("synchronous_commit is not lowered", async () => {
  await expect(pool.query("SET synchronous_commit = off")).rejects.toBeInstanceOf(SynchronousCommitError);
  await direct.query("ALTER ROLE postgres SET synchronous_commit = off");
  const another = make();
  expect((await another.query("SHOW synchronous_commit")).rows).toEqual([{ synchronous_commit: "on" }]);
  await direct.query("ALTER ROLE postgres RESET synchronous_commit");
  await another.end();
});

it.each(["to-server", "to-client"] as const)(
  "a SELECT that writes is run once, cut %s at each byte",
  async (direction) => {
    const before = await count("written by a function");
    let runs = 0;
    for (let at = 0; at < 200; at += 5) {
      const cuts = proxy.cuts;
      proxy.arm(direction, at);
      await pool.query("SELECT writes() AS id").catch((error: Error) => expect(error.name).toBe("ResultLostError"));
      runs++;
      proxy.disarm();
      if (proxy.cuts === cuts) break;
    }
    expect(await count("written by a function")).toBe(before + runs);
  },
);

it("read-only transactions write no marker, BEGIN .. COMMIT around nothing sends nothing", async () => {
  await pool.query("INSERT INTO kept (key) VALUES ('x')");
  const markers = async (): Promise<number> =>
    Number((await direct.query("SELECT count(*) AS n FROM understudy.commit_outcome")).rows[0]?.n);
  const before = await markers();
  await pool.transaction((client) => client.query("SELECT count(*) FROM kept"));
  await pool.transaction((client) => client.query("SELECT writes()"), { readOnly: true }).catch(() => undefined);
  const client = await pool.connect();
  const bytes = proxy.bytes["to-server"];
  await client.query("BEGIN");
  await client.query("COMMIT");
  expect(proxy.bytes["to-server"]).toBe(bytes);
  client.release();
  expect(await markers()).toBe(before);
});

it("the marker table may vanish: it is made again, and nothing is lost", async () => {
  await pool.query("INSERT INTO kept (key) VALUES ('y')");
  for (const act of [
    () => pool.query("INSERT INTO kept (key) VALUES ('vanished')"),
    () => pool.transaction((client) => client.query("INSERT INTO kept (key) VALUES ('vanished')")),
  ]) {
    await direct.query("DROP SCHEMA understudy CASCADE");
    await act();
  }
  expect(await count("vanished")).toBe(2);
});

it("a role that may not make the marker table works on, and says why its writes are unmarked", async () => {
  await direct.query("CREATE ROLE humble LOGIN PASSWORD 'humble'");
  await direct.query("GRANT INSERT, SELECT ON kept TO humble; GRANT USAGE ON SEQUENCE kept_id_seq TO humble");
  const humble = make({ user: "humble", password: "humble", markerTable: "nowhere.markers" });
  const why = once(humble, "continuityUnavailable");
  await humble.query("INSERT INTO kept (key) VALUES ('humble')");
  expect(String((await why)[0])).toContain("nowhere.markers cannot be made");
  await humble.transaction((client) => client.query("INSERT INTO kept (key) VALUES ('humble')"));
  expect(await count("humble")).toBe(2);
  await humble.end();
});

it("an outcome that the caller could not wait for is settled later", async () => {
  const impatient = make({ holdMaxMs: 2_000 });
  await impatient.query("INSERT INTO kept (key) VALUES ('z')");
  const key = randomUUID();
  const resolved = once(impatient, "resolved") as Promise<[DoubtfulCommit]>;
  const client = await impatient.connect();
  await client.query("BEGIN");
  await client.query("INSERT INTO kept (key) VALUES ($1)", [key]);
  proxy.arm("to-client", 0);
  proxy.refuse(true);
  const told = client.query("COMMIT");
  await expect(told).rejects.toBeInstanceOf(OutcomeUnknownError);
  await expect(told).rejects.toMatchObject({ committed: "unknown" });
  client.release();
  expect(impatient.figures.unresolved).toBe(1);
  proxy.refuse(false);
  const [commit] = await resolved;
  expect(commit.outcome).toBe((await count(key)) === 1 ? "committed" : "not-committed");
  expect(impatient.figures.unresolved).toBe(0);
  await impatient.end();
});

it("when all connection slots are taken, callers wait for one, and are told in the end", async () => {
  const hoggers = server.pool({ max: 30 });
  const hogs: pg.PoolClient[] = [];
  for (let n = 0; n < 30; n++) {
    const hog = await hoggers.connect().catch(() => undefined);
    if (hog === undefined) break;
    hogs.push(hog);
  }
  const impatient = make({ holdMaxMs: 2_000 });
  await expect(impatient.query("SELECT 1")).rejects.toThrow();
  const patient = make({ holdMaxMs: 20_000 });
  const answer = patient.query("SELECT 1 AS n");
  for (const hog of hogs) hog.release(true);
  expect((await answer).rows).toEqual([{ n: 1 }]);
  await Promise.all([impatient.end(), patient.end(), hoggers.end()]);
});

it("`transaction` rolls back on an error, and repeats on a conflict when it may", async () => {
  const key = randomUUID();
  await expect(
    pool.transaction(async (client) => {
      await client.query("INSERT INTO kept (key) VALUES ($1)", [key]);
      throw new Error("changed my mind");
    }),
  ).rejects.toThrow("changed my mind");
  expect(await count(key)).toBe(0);
  let runs = 0;
  await pool.transaction(
    async (client) => {
      await client.query("INSERT INTO kept (key) VALUES ($1)", [key]);
      if (++runs < 3) throw Object.assign(new Error("conflict"), { code: "40001" });
    },
    { repeats: 5, isolation: "serializable" },
  );
  expect([runs, await count(key)]).toEqual([3, 1]);
});

it("nobody is held longer than holdMaxMs, in the queue neither", async () => {
  const impatient = make({ max: 1, holdMaxMs: 2_000 });
  await impatient.query("SELECT 1");
  proxy.refuse(true);
  const answers = await Promise.allSettled(Array.from({ length: 5 }, () => impatient.query("SELECT 1")));
  for (const answer of answers)
    expect(answer.status === "rejected" && answer.reason).toBeInstanceOf(DatabaseUnavailableError);
  proxy.refuse(false);
  expect((await impatient.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  expect(impatient.figures.withoutPrimaryMs).toBeGreaterThan(0);
  await impatient.end();
});

it("a SET whose answer is lost is sent again", async () => {
  for (let at = 0; at < 60; at += 4) {
    const client = await pool.connect();
    proxy.arm("to-client", at);
    await client.query("SET work_mem = '3MB'");
    proxy.disarm();
    client.release(true);
  }
});

it("the pool prunes its markers, all but those in work", async () => {
  const busy = make({ max: 8 });
  const holder = await busy.connect();
  await holder.query("BEGIN");
  await holder.query("INSERT INTO kept (key) VALUES ('held')");
  const rows = async (): Promise<number> =>
    Number((await direct.query("SELECT count(*) AS n FROM understudy.commit_outcome")).rows[0]?.n);
  const before = await rows();
  await Promise.all(
    Array.from({ length: 7 }, async () => {
      for (let n = 0; n < 400; n++) await busy.query("INSERT INTO kept (key) VALUES ('many')");
    }),
  );
  await eventually(async () => (await rows()) < before + 1_000, { describe: "markers are pruned" });
  await holder.query("COMMIT");
  holder.release();
  await busy.end();
});
