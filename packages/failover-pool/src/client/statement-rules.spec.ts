import { analyseStatement } from "../statements/analyse-statement.ts";
import { lowersSynchronousCommit, mayEndTransaction, mayWrite, recordedAs } from "./statement-rules.ts";

it.each([
  ["SET synchronous_commit = off", true],
  ["SET LOCAL synchronous_commit TO 'local'", true],
  ["SET synchronous_commit = remote_write", true],
  ["SELECT set_config('synchronous_commit', $1, false)", true],
  ["SELECT set_config('synchronous_commit', 'off', true)", true],
  ["SET synchronous_commit = on; SET synchronous_commit = off", true],
  ["SET synchronous_commit = on", false],
  ["SET LOCAL synchronous_commit TO remote_apply", false],
  ["RESET synchronous_commit", false],
])("%s lowers synchronous_commit: %s", (text, lowers) => {
  expect(lowersSynchronousCommit(analyseStatement(text))).toBe(lowers);
});

it("a transaction needs a marker as soon as anything in it may have written", () => {
  for (const text of ["SELECT 1", "SAVEPOINT a", "SET LOCAL work_mem = '1MB'", "SELECT 1; SELECT 2"])
    expect(mayWrite(analyseStatement(text))).toBe(false);
  for (const text of [
    "SELECT f()",
    "INSERT INTO t VALUES (1)",
    "DO $$ BEGIN END $$",
    "CREATE TABLE t ()",
    "SELECT 1; DELETE FROM t",
  ])
    expect(mayWrite(analyseStatement(text))).toBe(true);
});

it("transaction control inside a longer text is not replayed, COPY neither", () => {
  expect(mayEndTransaction(analyseStatement("INSERT INTO t VALUES (1); COMMIT"))).toBe(true);
  expect(mayEndTransaction(analyseStatement("PREPARE TRANSACTION 'a'"))).toBe(true);
  expect(mayEndTransaction(analyseStatement("INSERT INTO t VALUES (1); SELECT 1"))).toBe(false);
  expect(recordedAs(analyseStatement("COPY t FROM STDIN")).unreplayable).toBeDefined();
  expect(recordedAs(analyseStatement("INSERT INTO t VALUES (1)"))).toEqual({ isOne: true, unreplayable: undefined });
});
