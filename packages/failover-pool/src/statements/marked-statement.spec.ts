import { analyseStatement } from "./analyse-statement.ts";
import { markedStatement } from "./marked-statement.ts";

const marker = { table: "understudy.commit_outcome", columns: ["operation", "attempt"] };
const marked = (text: string) => markedStatement(analyseStatement(text), marker);

describe("a marked statement", () => {
  it("has the marker as a WITH query in front, with parameters behind the caller's", () => {
    expect(marked("INSERT INTO t VALUES ($1, $2)")?.text).toBe(
      "WITH understudy_marker AS (INSERT INTO understudy.commit_outcome (operation, attempt) VALUES ($3, $4)) " +
        "INSERT INTO t VALUES ($1, $2)",
    );
  });

  it("joins a WITH that is there, RECURSIVE too", () => {
    expect(marked("/* x */ with a as (select 1) update t set b = $1")?.text).toBe(
      "/* x */ with understudy_marker AS (INSERT INTO understudy.commit_outcome (operation, attempt) VALUES ($2, $3)), " +
        "a as (select 1) update t set b = $1",
    );
    expect(marked("WITH RECURSIVE a(n) AS (SELECT 1) DELETE FROM t")?.text).toMatch(
      /^WITH RECURSIVE understudy_marker AS \(.*\), a\(n\) AS/,
    );
    expect(marked("WITH recursive AS (SELECT 1) DELETE FROM t")?.text).toMatch(
      /^WITH understudy_marker AS \(.*\), recursive AS/,
    );
  });

  it("never takes a name that the statement uses", () => {
    expect(marked('INSERT INTO "understudy_marker" SELECT understudy_marker_ FROM s')?.text).toMatch(
      /^WITH understudy_marker__ AS/,
    );
  });

  it("tells where text was put in", () => {
    const text = "  UPDATE t SET a = 1";
    const { text: joined = "", insertedAt = 0, insertedLength = 0 } = marked(text) ?? {};
    expect(joined.slice(0, insertedAt) + joined.slice(insertedAt + insertedLength)).toBe(text);
  });

  it("keeps the number of rows in the marker where the caller would else never know it", () => {
    const counting = { ...marker, counted: { column: "affected", types: ["uuid", "int4"] } };
    const counted = (text: string) => markedStatement(analyseStatement(text), counting);
    const behind =
      " RETURNING 1) INSERT INTO understudy.commit_outcome (operation, attempt, affected) " +
      "SELECT $2::uuid, $3::int4, count(*) FROM understudy_marker RETURNING affected";
    expect(counted("UPDATE t SET a = $1; -- all")).toMatchObject({
      text: `WITH understudy_marker AS (UPDATE t SET a = $1${behind}`,
      countedTag: "UPDATE ",
    });
    expect(counted("WITH a AS (SELECT 1) DELETE FROM t WHERE b = $1")).toMatchObject({
      text: `WITH a AS (SELECT 1) , understudy_marker AS (DELETE FROM t WHERE b = $1${behind}`,
      countedTag: "DELETE ",
      insertedAt: "WITH a AS (SELECT 1) ".length,
    });
    expect(counted("INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING")?.countedTag).toBe("INSERT 0 ");
    for (const text of [
      "INSERT INTO t (a) VALUES ($1)",
      "UPDATE t SET a = $1 RETURNING a",
      "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
      "SELECT f($1)",
    ])
      expect([text, counted(text)?.countedTag]).toEqual([text, undefined]);
  });

  it("is made of functions' SELECTs too, and of nothing else", () => {
    expect(marked("SELECT place_order($1)")?.text).toMatch(/^WITH understudy_marker AS .* SELECT place_order\(\$1\)$/);
    for (const text of [
      "SELECT 1",
      "TRUNCATE t",
      "CREATE TABLE t AS SELECT 1",
      "SELECT f(1) INTO t",
      "EXPLAIN ANALYZE SELECT f(1)",
      "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
      "COMMIT",
      "DO $$ $$",
      "INSERT INTO t VALUES ('open",
      "COPY t FROM STDIN",
      "INSERT INTO t VALUES ($65534)",
    ])
      expect([text, marked(text)]).toEqual([text, undefined]);
  });
});
