import fc from "fast-check";
import { planLoss, type Loss } from "./loss-plan.ts";

const loss: Loss = {
  sentAs: "in-transaction",
  wasSent: true,
  hasMarker: false,
  mayHaveWritten: false,
  isInTransaction: true,
  mayEndTransaction: false,
  unreplayable: undefined,
  sessionEffects: [],
};

const cases: [string, Partial<Loss>, string][] = [
  ["a read", { sentAs: "read", isInTransaction: false }, "prove-then-send"],
  ["a marked write", { sentAs: "marked", isInTransaction: false, hasMarker: true }, "resolve-statement"],
  ["a write without marker", { sentAs: "plain", isInTransaction: false }, "tell-unknown"],
  ["a write that was never sent", { sentAs: "plain", isInTransaction: false, wasSent: false }, "send-again"],
  ["a statement inside a transaction", {}, "replay"],
  ["the first one, sent together with BEGIN", { isInTransaction: false }, "send-again"],
  ["a statement of a transaction that is too long", { unreplayable: "too long" }, "tell-not-replayable"],
  ["COMMIT with a marker", { sentAs: "commit", hasMarker: true }, "resolve-commit"],
  ["COMMIT of what only read", { sentAs: "commit" }, "prove-then-replay"],
  ["COMMIT of what may have written, without a marker", { sentAs: "commit", mayHaveWritten: true }, "tell-unknown"],
  ["COMMIT that was never sent", { sentAs: "commit", hasMarker: false, wasSent: false }, "replay"],
  ["COMMIT without marker that cannot be replayed", { sentAs: "commit", unreplayable: "COPY" }, "tell-unknown"],
  ["ROLLBACK", { sentAs: "rollback" }, "tell-rolled-back"],
  ["a statement of a session with state", { sessionEffects: ["listen"] }, "tell-session-lost"],
  [
    "COMMIT of a session with state",
    { sentAs: "commit", hasMarker: true, sessionEffects: ["setting"] },
    "resolve-commit",
  ],
  ["a longer text with a COMMIT in it", { mayEndTransaction: true, unreplayable: "control" }, "tell-unknown"],
];

it.each(cases)("%s", (_name, part, plan) => {
  expect(planLoss({ ...loss, ...part }).do).toBe(plan);
});

it("nothing that may have had an effect is sent again before its outcome is forced or its harmlessness proven", () => {
  const any = fc.record({
    sentAs: fc.constantFrom("read", "call", "marked", "plain", "in-transaction", "commit", "rollback"),
    wasSent: fc.boolean(),
    hasMarker: fc.boolean(),
    mayHaveWritten: fc.boolean(),
    isInTransaction: fc.boolean(),
    mayEndTransaction: fc.boolean(),
    unreplayable: fc.option(fc.constant("why"), { nil: undefined }),
    sessionEffects: fc.constantFrom([], ["listen"]),
  });
  fc.assert(
    fc.property(any, (facts) => {
      const plan = planLoss(facts);
      const mayHaveCommitted =
        facts.wasSent && (facts.sentAs === "commit" || facts.sentAs === "marked" || facts.sentAs === "plain");
      if (mayHaveCommitted)
        expect(["resolve-commit", "resolve-statement", "tell-unknown", "prove-then-replay"]).toContain(plan.do);
      if (facts.wasSent && facts.mayEndTransaction && facts.sentAs === "in-transaction")
        expect(plan.do).toBe("tell-unknown");
      if (plan.do === "replay" || plan.do === "prove-then-replay") expect(facts.unreplayable).toBeUndefined();
      if (plan.do === "send-again" || plan.do === "replay") expect(facts.sessionEffects).toEqual([]);
      if (plan.do === "prove-then-replay") expect(facts.mayHaveWritten).toBe(false);
      if (plan.do === "resolve-commit") expect(facts.hasMarker).toBe(true);
    }),
    { numRuns: 5_000 },
  );
});
