import fc from "fast-check";
import { ResultDigest } from "./result-digest.ts";

type Rows = (string | null)[][];

function digest(rows: Rows): string {
  const one = new ResultDigest();
  for (const row of rows) one.row(row);
  return one.value;
}

it("tells results apart that look alike", () => {
  const different: Rows[] = [
    [],
    [[]],
    [[null]],
    [[""]],
    [["a", "bc"]],
    [["ab", "c"]],
    [["ab"], ["c"]],
    [["c"], ["ab"]],
  ];
  expect(new Set(different.map(digest)).size).toBe(different.length);
});

it("is the same for the same, and different for what differs", () => {
  const rows = fc.array(fc.array(fc.option(fc.string()), { maxLength: 4 }), { maxLength: 4 });
  fc.assert(
    fc.property(rows, rows, (one, other) => {
      expect(digest(one) === digest(other)).toBe(JSON.stringify(one) === JSON.stringify(other));
    }),
    { numRuns: 2_000 },
  );
});

it("knows an error by code, message and constraint", () => {
  const of = (error: object): string => {
    const one = new ResultDigest();
    one.error(error);
    return one.value;
  };
  const error = { code: "23505", message: "duplicate", constraint: "t_pkey" };
  expect(of(error)).toBe(of({ ...error }));
  expect(of(error)).not.toBe(of({ ...error, constraint: "u_key" }));
});
