import { analyseStatement } from "./analyse-statement.ts";
import { rebound, type SeenResult } from "./rebound.ts";

const seen = (names: readonly string[], ...rows: readonly (readonly (string | null)[])[]): SeenResult => ({
  fields: names.map((name) => ({ name })),
  rows,
});
const bind = (text: string, values: readonly unknown[], result: SeenResult) =>
  rebound(analyseStatement(text), values, result);

describe("a DEFAULT whose value was seen", () => {
  it("is bound to it", () => {
    expect(
      bind('INSERT INTO "t"("id", "name") VALUES (DEFAULT, $1) RETURNING "id"', ["x"], seen(["id"], ["7"])),
    ).toEqual({
      text: 'INSERT INTO "t"("id", "name") OVERRIDING SYSTEM VALUE VALUES ($2, $1) RETURNING "id"',
      values: ["x", "7"],
      bound: [{ table: '"t"', column: "id", value: "7" }],
    });
  });

  it("is bound row by row, schema and alias or not, whatever the letters' size", () => {
    const again = bind(
      "insert into s.T as x (ID, a, at) overriding system value values (default, (1 + f(2)), default), ($1, 2, DEFAULT) returning x.id, at",
      [9],
      seen(["id", "at"], ["7", "2026-01-01 00:00:00.123456"], ["9", null]),
    );
    expect(again?.text).toBe(
      "insert into s.T as x (ID, a, at) overriding system value values ($2, (1 + f(2)), $3), ($1, 2, $4) returning x.id, at",
    );
    expect(again?.values).toEqual([9, "7", "2026-01-01 00:00:00.123456", null]);
  });

  it("is found in RETURNING *", () => {
    expect(
      bind("INSERT INTO t (a, id) VALUES ($1, DEFAULT) RETURNING *", [1], seen(["id", "a"], ["7", "1"]))?.text,
    ).toBe("INSERT INTO t (a, id) OVERRIDING SYSTEM VALUE VALUES ($1, $2) RETURNING *");
  });

  it("is bound although its column is not listed, where the catalogue knows that it takes a value", () => {
    const again = rebound(
      analyseStatement("INSERT INTO t (a, at) VALUES ($1, DEFAULT), ($1, DEFAULT) RETURNING id, at, twice"),
      [1],
      seen(["id", "at", "twice"], ["7", "now", "2"], ["8", "then", "2"]),
      new Set(["a", "at", "id"]),
    );
    expect(again).toEqual({
      text:
        'INSERT INTO t (a, at, "id") OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3), ($1, $4, $5) ' +
        "RETURNING id, at, twice",
      values: [1, "now", "7", "then", "8"],
      bound: [
        { table: "t", column: "at", value: "now" },
        { table: "t", column: "id", value: "7" },
        { table: "t", column: "at", value: "then" },
        { table: "t", column: "id", value: "8" },
      ],
    });
  });

  it("stays a DEFAULT where PostgreSQL always computes the column", () => {
    const result = seen(["id", "twice"], ["7", "2"]);
    const text = "INSERT INTO t (a, twice) VALUES (1, DEFAULT) RETURNING id, twice";
    expect(rebound(analyseStatement(text), [], result, new Set(["a", "id"]))?.text).toBe(
      'INSERT INTO t (a, twice, "id") OVERRIDING SYSTEM VALUE VALUES (1, DEFAULT, $1) RETURNING id, twice',
    );
  });

  it("stays a DEFAULT where it was not seen", () => {
    expect(bind("INSERT INTO t (id, at) VALUES (DEFAULT, DEFAULT) RETURNING id", [], seen(["id"], ["7"]))?.text).toBe(
      "INSERT INTO t (id, at) OVERRIDING SYSTEM VALUE VALUES ($1, DEFAULT) RETURNING id",
    );
  });

  it.each([
    ["no list of columns", "INSERT INTO t VALUES (DEFAULT) RETURNING id", ["id"], [["7"]]],
    [
      "the column is not listed, and the catalogue was not asked",
      "INSERT INTO t (a) VALUES (1) RETURNING id",
      ["id"],
      [["7"]],
    ],
    ["only an expression was returned", "INSERT INTO t (id) VALUES (DEFAULT) RETURNING -id AS id", ["id"], [["-7"]]],
    ["another column bears its name", "INSERT INTO t (id) VALUES (DEFAULT) RETURNING a AS id", ["id"], [["7"]]],
    ["another table's column", "INSERT INTO t (id) VALUES (DEFAULT) RETURNING old.id", ["id"], [["7"]]],
    ["nothing was returned", "INSERT INTO t (id) VALUES (DEFAULT)", [], []],
    ["a row is missing", "INSERT INTO t (id) VALUES (DEFAULT), (DEFAULT) RETURNING id", ["id"], [["7"]]],
    ["conflicts", "INSERT INTO t (id) VALUES (DEFAULT) ON CONFLICT DO NOTHING RETURNING id", ["id"], [["7"]]],
    ["rows of a query", "INSERT INTO t (id) SELECT 1 RETURNING id", ["id"], [["7"]]],
    [
      "values are to be ignored",
      "INSERT INTO t (id) OVERRIDING USER VALUE VALUES (DEFAULT) RETURNING id",
      ["id"],
      [["7"]],
    ],
    ["WITH", "WITH x AS (SELECT 1) INSERT INTO t (id) VALUES (DEFAULT) RETURNING id", ["id"], [["7"]]],
    ["parts of columns", "INSERT INTO t (id, a[1]) VALUES (DEFAULT, 1) RETURNING id", ["id"], [["7"]]],
    ["an update", "UPDATE t SET a = DEFAULT RETURNING a", ["a"], [["7"]]],
  ])("is left alone: %s", (_why, text, names, rows) => {
    expect(bind(text, [], seen(names, ...rows))).toBeUndefined();
  });
});
