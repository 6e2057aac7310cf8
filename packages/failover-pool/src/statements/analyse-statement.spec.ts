import { analyseStatement } from "./analyse-statement.ts";
import type { Statement, StatementKind } from "./statement.ts";

const kinds: readonly [StatementKind, readonly string[]][] = [
  [
    "read",
    [
      "SELECT 1",
      "select * from t where id = $1",
      "SELECT count(*) FILTER (WHERE a), sum(x) OVER (PARTITION BY (y)) FROM t GROUP BY (a)",
      "SELECT * FROM a JOIN (SELECT * FROM b) x ON (a.id = x.id)",
      "SELECT * FROM (VALUES (1, 2)) AS v(a, b)",
      "SELECT * FROM generate_series(1, 3) g(n)",
      "(SELECT 1) UNION ALL (SELECT 2)",
      "((SELECT 1))",
      "VALUES (1), (2)",
      "TABLE t",
      "WITH x AS (SELECT 1), y (a) AS NOT MATERIALIZED (SELECT 2) SELECT * FROM x, y",
      "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
      "WITH recursive AS (SELECT 1) SELECT * FROM recursive",
      "WITH update AS (SELECT 1) SELECT * FROM update",
      "WITH t AS (SELECT 1) SEARCH DEPTH FIRST BY a, b SET o CYCLE a SET c USING p SELECT * FROM t",
      "SELECT * FROM t FOR UPDATE SKIP LOCKED",
      "SELECT 'DELETE FROM t; nextval(1)' AS \"INSERT INTO x\" -- ; DROP TABLE t",
      "SELECT random(), now(), gen_random_uuid(), x::numeric(10, 2), CAST(y AS varchar(3))",
      "SELECT a.lower FROM a ORDER BY (b) LIMIT (1)",
      "SELECT pg_catalog.lower($1), pg_advisory_xact_lock(1)",
      "SHOW synchronous_commit",
      "EXPLAIN DELETE FROM t",
      "EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
    ],
  ],
  [
    "call",
    [
      "SELECT nextval('s')",
      "SELECT place_order($1)",
      "SELECT public.lower('x')",
      "SELECT \"Lower\"('x')",
      "SELECT pg_catalog.setval('s', 1)",
      "SELECT pg_notify('a', 'b')",
      "SELECT set_config('a.b', 'c', true)",
      "SELECT * FROM f(1) AS x(a int)",
      "SELECT DISTINCT ON (a) f(b) FROM t",
      "SELECT lower(f(x)) FROM t",
      "WITH x AS (SELECT f(1)) SELECT * FROM x",
      "WITH f(a) AS (SELECT 1) SELECT f(1) FROM f",
      "SELECT f /* (hidden) */ (1)",
      "EXPLAIN ANALYZE SELECT f(1)",
      "VALUES (nextval('s'))",
      "SELECT query_to_xml('DELETE FROM t', true, true, '')",
      "SELECT dblink_exec('DELETE FROM t')",
      "SELECT lo_unlink(1)",
      "SELECT pg_terminate_backend(1)",
    ],
  ],
  [
    "write",
    [
      "INSERT INTO t VALUES (1)",
      "insert into t select 1 returning *",
      "UPDATE t SET a = 1",
      "DELETE FROM t",
      "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
      "TRUNCATE t",
      "/* SELECT */ DELETE FROM t",
      "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
      "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x",
      "WITH a AS (SELECT 1), x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
      "WITH x AS (WITH RECURSIVE y AS (SELECT 1) CYCLE a SET b USING c DELETE FROM t RETURNING *) SELECT * FROM x",
      "WITH x AS (WITH RECURSIVE y AS (SELECT 1) CYCLE a SET b USING c UPDATE t SET a = 1 RETURNING *) SELECT * FROM x",
      "WITH x AS (WITH y AS (SELECT 1) UPDATE t SET a = 1 RETURNING *) SELECT * FROM x",
    ],
  ],
  ["begin", ["BEGIN", "begin work", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY DEFERRABLE", "BEGIN;"]],
  ["commit", ["COMMIT", "END", "commit work and chain", "COMMIT TRANSACTION AND NO CHAIN;"]],
  ["rollback", ["ROLLBACK", "ABORT", "rollback transaction and chain"]],
  ["savepoint", ["SAVEPOINT a", 'SAVEPOINT "A b"']],
  ["rollback-to", ["ROLLBACK TO a", "ROLLBACK WORK TO SAVEPOINT a", "ROLLBACK TO savepoint"]],
  ["release", ["RELEASE a", "RELEASE SAVEPOINT a"]],
  ["set-local", ["SET LOCAL a.b = 1", "SET TRANSACTION READ ONLY", "SET CONSTRAINTS ALL DEFERRED", "SET LOCAL ROLE x"]],
  [
    "session",
    [
      "SET a = 1",
      "SET SESSION a TO 1",
      "SET local.x = 1",
      "RESET ALL",
      "DISCARD ALL",
      "LOAD 'x'",
      "SET TIME ZONE 'UTC'",
    ],
  ],
  ["listen", ["LISTEN a"]],
  ["unlisten", ["UNLISTEN *", "UNLISTEN a"]],
  ["notify", ["NOTIFY a, 'b'"]],
  ["copy", ["COPY t FROM STDIN", "COPY (SELECT 1) TO STDOUT"]],
  ["prepare", ["PREPARE a (int) AS SELECT $1"]],
  ["execute", ["EXECUTE a(1)"]],
  ["deallocate", ["DEALLOCATE a", "DEALLOCATE PREPARE ALL"]],
  ["declare-cursor", ["DECLARE c CURSOR FOR SELECT 1", "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1"]],
  ["fetch", ["FETCH 5 FROM c", "MOVE c"]],
  ["close-cursor", ["CLOSE c", "CLOSE ALL"]],
  ["lock", ["LOCK TABLE t"]],
  [
    "ddl",
    [
      "CREATE TABLE t (a int)",
      "CREATE TABLE t AS SELECT 1",
      "SELECT * INTO t FROM s",
      "SELECT 1 INTO TEMP t",
      "CREATE INDEX ON t (a)",
      "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
      "ALTER TABLE t ADD a int",
      "DROP TABLE t",
      "GRANT ALL ON t TO x",
      "ANALYZE",
    ],
  ],
  [
    "not-in-transaction",
    [
      "VACUUM",
      "CREATE DATABASE x",
      "CREATE UNIQUE INDEX CONCURRENTLY ON t (a)",
      "DROP INDEX CONCURRENTLY x",
      "REINDEX TABLE t",
      "ALTER SYSTEM SET a = 1",
    ],
  ],
  ["two-phase", ["PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'", "ROLLBACK PREPARED 'a'"]],
  ["several", ["SELECT 1; SELECT 2", "BEGIN; DELETE FROM t; COMMIT"]],
  ["empty", ["", ";", " -- nothing", "/* ; */ ;;"]],
  [
    "unknown",
    [
      "DO $$ BEGIN END $$",
      "CALL p()",
      "SELECT 'unclosed",
      "COMMIT now",
      "BEGIN ISOLATION LEVEL none",
      "WITH x AS SELECT 1",
      "WITH x AS (SELECT 1) x",
      "EXPLAIN ANALYZE DELETE FROM t",
      "EXPLAIN (ANALYZE) EXECUTE a",
      "frobnicate",
      "constructor",
      String.raw`SELECT 'a\'; DELETE FROM t; --'`,
    ],
  ],
];

const of = (text: string): Statement => analyseStatement(text);

describe("the kind of a statement", () => {
  it.each(kinds.flatMap(([kind, texts]) => texts.map((text) => [kind, text] as const)))("%s: %s", (kind, text) => {
    expect(of(text).kind).toBe(kind);
  });
});

describe("what a statement says beside its kind", () => {
  it("names what it leaves in the session", () => {
    const effects = (text: string) => of(text).sessionEffects;
    expect(effects("SET search_path = x")).toEqual(["setting"]);
    expect(effects("SELECT set_config('a.b', f(1, 2), false)")).toEqual(["setting"]);
    expect(effects("SELECT set_config('a.b', 'c', $1)")).toEqual(["setting"]);
    expect(effects("SELECT set_config('a.b', 'c', true)")).toEqual([]);
    expect(effects("SET LOCAL search_path = x")).toEqual([]);
    expect(effects("INSERT INTO t SELECT pg_advisory_lock(1)")).toEqual(["advisory-lock"]);
    expect(effects("SELECT pg_advisory_xact_lock(1)")).toEqual([]);
    expect(effects("CREATE TEMP TABLE t (a int)")).toEqual(["temporary-object"]);
    expect(effects("CREATE VIEW pg_temp.v AS SELECT 1")).toEqual(["temporary-object"]);
    expect(effects("PREPARE a AS SELECT 1")).toEqual(["prepared-statement"]);
    expect(effects("DECLARE c CURSOR WITH HOLD FOR SELECT 1")).toEqual(["cursor-with-hold"]);
    expect(effects("DECLARE c CURSOR FOR SELECT 1")).toEqual([]);
    expect(effects("LISTEN a")).toEqual(["listen"]);
    expect(effects("DISCARD ALL")).toEqual(["discard"]);
    expect(effects("SELECT 1; SET a = 1")).toEqual(["setting"]);
  });

  it("tells what would lower synchronous_commit", () => {
    for (const text of [
      "SET synchronous_commit = off",
      "SET LOCAL SYNCHRONOUS_COMMIT TO local",
      "SET SESSION synchronous_commit = off",
      "SELECT set_config('Synchronous_Commit', 'off', true)",
      "SELECT set_config($1, 'off', true)",
      "SELECT set_config('synchronous_' || 'commit', 'off', true)",
      "ALTER ROLE me SET synchronous_commit = off",
      "SELECT 1; SET synchronous_commit = off",
    ])
      expect([text, of(text).setsSynchronousCommit]).toEqual([text, true]);
    expect(of("SELECT set_config('app.user', 'synchronous_commit', true)").setsSynchronousCommit).toBe(false);
    expect(of("SHOW synchronous_commit").setsSynchronousCommit).toBe(false);
  });

  it("reads the options of a transaction", () => {
    expect(of("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").begin).toEqual({
      isolation: "repeatable read",
      access: "read only",
    });
    expect(of("START TRANSACTION READ WRITE NOT DEFERRABLE").begin).toEqual({
      access: "read write",
      deferrable: false,
    });
    expect(of("COMMIT AND CHAIN").isChained).toBe(true);
    expect(of("ROLLBACK AND NO CHAIN").isChained).toBe(false);
  });

  it("knows names as PostgreSQL folds them, parameters, locks", () => {
    expect(of('ROLLBACK TO "Before"').name).toBe("Before");
    expect(of("LISTEN Orders").name).toBe("orders");
    expect(of("UNLISTEN *").name).toBeUndefined();
    expect(of("SELECT $3, '$9', $1").highestParameter).toBe(3);
    expect(of("SELECT 1 FROM t FOR NO KEY UPDATE").locksRows).toBe(true);
    expect(of("SELECT Shop.F(1), g ()").functions).toEqual([{ schema: "shop", name: "f" }, { name: "g" }]);
    expect(of("SELECT now()").hasVolatileResult).toBe(true);
    expect(of("SELECT CURRENT_DATE").hasVolatileResult).toBe(true);
    expect(of("SELECT 1").hasVolatileResult).toBe(false);
  });

  it("keeps each statement of several", () => {
    expect(of("BEGIN; INSERT INTO t VALUES (';');\nCOMMIT;").parts.map(({ text, kind }) => [kind, text])).toEqual([
      ["begin", "BEGIN"],
      ["write", "INSERT INTO t VALUES (';')"],
      ["commit", "COMMIT"],
    ]);
  });
});
