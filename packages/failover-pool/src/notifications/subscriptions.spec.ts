import { analyseStatement } from "../statements/analyse-statement.ts";
import { Subscriptions } from "./subscriptions.ts";

function after(...texts: readonly string[]): Subscriptions {
  const subscriptions = new Subscriptions();
  let isInTransaction = false;
  for (const text of texts) {
    const statement = analyseStatement(text);
    if (statement.kind === "begin") isInTransaction = true;
    else if (statement.kind === "commit" || statement.kind === "rollback") {
      isInTransaction = false;
      if (statement.kind === "commit") subscriptions.committed();
      else subscriptions.rolledBack();
    } else subscriptions.succeeded(statement, isInTransaction);
  }
  return subscriptions;
}

describe("subscriptions", () => {
  it.each([
    [
      ["LISTEN a", 'LISTEN "B c"', "LISTEN a"],
      ["a", "B c"],
    ],
    [["LISTEN a", "LISTEN b", "UNLISTEN a"], ["b"]],
    [["LISTEN a", "UNLISTEN *"], []],
    [["LISTEN a", "DISCARD ALL"], []],
    [["BEGIN", "LISTEN a"], []],
    [["BEGIN", "LISTEN a", "COMMIT"], ["a"]],
    [["BEGIN", "LISTEN a", "ROLLBACK"], []],
    [["LISTEN a", "BEGIN", "UNLISTEN a", "ROLLBACK"], ["a"]],
    [
      ["BEGIN", "LISTEN a", "SAVEPOINT s", "LISTEN b", "ROLLBACK TO s", "LISTEN c", "COMMIT"],
      ["a", "c"],
    ],
    [["BEGIN", "SAVEPOINT s", "LISTEN a", "SAVEPOINT s", "LISTEN b", "ROLLBACK TO s", "COMMIT"], ["a"]],
    [
      ["BEGIN", "SAVEPOINT s", "LISTEN a", "RELEASE s", "LISTEN b", "COMMIT"],
      ["a", "b"],
    ],
    [
      ["LISTEN a; LISTEN b", "SELECT 1"],
      ["a", "b"],
    ],
    [["BEGIN; LISTEN a; COMMIT"], ["a"]],
  ])("after %j are to %j", (texts, channels) => {
    expect(after(...texts).channels).toEqual(channels);
  });

  it("are made again by one text", () => {
    expect(after("LISTEN a", 'LISTEN "B""c"').text).toBe('LISTEN "a"; LISTEN "B""c"');
    expect(after().text).toBe("");
  });

  it("are in use from the LISTEN on, and settled by its transaction", () => {
    expect(after("BEGIN", "LISTEN a").isUsed).toBe(true);
    expect(after("BEGIN", "LISTEN a", "ROLLBACK").isUsed).toBe(false);
  });
});
