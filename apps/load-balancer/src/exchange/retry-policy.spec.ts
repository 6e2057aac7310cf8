import {
  afterFailure,
  aftermathOf,
  attemptsBegunAtMost,
  failureOf,
  mayHaveBegun,
  type Failure,
  type NextStep,
} from "./retry-policy.ts";

const facts = { isRepeatable: true, canBeSentAgain: true, hasAnswerBegun: false, attemptsBegun: 1 };
const failures = Object.keys(aftermathOf) as Failure[];

describe("afterFailure", () => {
  const table: [Failure, NextStep, NextStep][] = [
    // failure, what may be repeated, what may not
    ["refused", "try-another", "try-another"],
    ["unsent", "try-another", "try-another"],
    ["not-taken", "try-another", "try-another"],
    ["interrupted", "try-another", "answer-outcome-unknown"],
    ["broken", "try-another", "answer-outcome-unknown"],
    ["lost", "try-another", "answer-outcome-unknown"],
    ["garbled", "answer-bad-gateway", "answer-outcome-unknown"],
    ["timed-out", "answer-timeout", "answer-timeout"],
    ["body-too-large", "answer-body-too-large", "answer-body-too-large"],
    ["unsendable", "answer-bad-request", "answer-bad-request"],
  ];
  it.each(table)("%s: repeatable %s, else %s", (failure, repeatable, other) => {
    expect(afterFailure({ ...facts, failure })).toBe(repeatable);
    expect(afterFailure({ ...facts, failure, isRepeatable: false })).toBe(other);
  });

  it("knows every failure", () => {
    expect(table.map(([failure]) => failure).toSorted()).toEqual(failures.toSorted());
  });

  it("cuts whatever had begun to reach the user", () => {
    for (const failure of failures) expect(afterFailure({ ...facts, failure, hasAnswerBegun: true })).toBe("cut");
  });

  it("never sends again what may have been begun and may not be repeated, nor a body that is gone", () => {
    for (const failure of failures) {
      if (mayHaveBegun(failure)) {
        expect(afterFailure({ ...facts, failure, isRepeatable: false })).not.toBe("try-another");
      }
      const gone = { ...facts, failure, isRepeatable: false, canBeSentAgain: false };
      expect(afterFailure(gone)).not.toBe("try-another");
    }
  });

  it("gives up a request that breaks server after server, not one that none began with", () => {
    const many = { ...facts, attemptsBegun: attemptsBegunAtMost };
    expect(afterFailure({ ...many, failure: "broken" })).toBe("answer-not-completed");
    expect(afterFailure({ ...many, failure: "refused" })).toBe("try-another");
    expect(afterFailure({ ...many, failure: "not-taken" })).toBe("try-another");
  });
});

describe("failureOf", () => {
  const error = (code?: string, name = "Error") => ({ name, ...(code !== undefined && { code }) });
  it.each<[string | undefined, boolean, Failure]>([
    ["ECONNREFUSED", false, "refused"],
    ["ETIMEDOUT", false, "refused"],
    ["ECONNRESET", false, "refused"],
    ["UND_ERR_DESTROYED", false, "unsent"],
    [undefined, false, "unsent"],
    ["ECONNRESET", true, "broken"],
    ["EPIPE", true, "broken"],
    ["UND_ERR_SOCKET", true, "broken"],
    [undefined, true, "broken"],
    ["UND_ERR_HEADERS_OVERFLOW", true, "garbled"],
    ["UND_ERR_INVALID_ARG", false, "unsendable"],
    ["UNDERSTUDY_BODY_TOO_LARGE", true, "body-too-large"],
  ])("%s, sent: %s is %s", (code, wasSent, failure) => {
    expect(failureOf(error(code), wasSent)).toBe(failure);
  });

  it("knows the parser's errors by their name", () => {
    expect(failureOf(error(undefined, "HTTPParserError"), true)).toBe("garbled");
  });
});
