import { markerSql, markerTableMigration, markerTableName } from "./marker-table.ts";

it("takes plain names only, since they stand in SQL as they are", () => {
  expect(markerTableName(undefined)).toEqual({ schema: "understudy", table: "commit_outcome" });
  for (const name of ["outcome", "a.b.c", 'a."b"', "a.b; DROP TABLE c", "A.b", ""])
    expect(() => markerTableName(name)).toThrow("plain lower-case names");
});

it("names the same table everywhere", () => {
  const sql = markerSql("app.outcome");
  const texts = [
    sql.insert("key", 1),
    sql.writeTombstone,
    sql.readOutcome,
    sql.confirm,
    sql.pruneSettled,
    sql.pruneOld,
  ];
  for (const text of [...texts, markerTableMigration("app.outcome")]) expect(text).toContain("app.outcome");
});
