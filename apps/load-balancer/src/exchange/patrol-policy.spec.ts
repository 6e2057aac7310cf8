import { patrolVerdict, type PatrolVerdict, type WaitingFacts } from "./patrol-policy.ts";

const limits = { attemptMs: 1_500, graceMs: 1_000, answerMs: 60_000 };
const waiting: WaitingFacts = {
  server: "accepting",
  removedForMs: 0,
  serverSilentForMs: 0,
  attemptAgeMs: 10,
  requestAgeMs: 10,
  hasAnswerBegun: false,
  isRepeatable: true,
  hasRival: false,
};
const verdict = (facts: Partial<WaitingFacts>) => patrolVerdict({ ...waiting, ...facts }, limits);
const removed = { server: "removed", removedForMs: 1_001 } as const;

describe("patrolVerdict", () => {
  it.each<[string, Partial<WaitingFacts>, PatrolVerdict]>([
    ["a fresh request waits", {}, "wait"],
    ["a slow answer of a server that speaks waits", { attemptAgeMs: 30_000, requestAgeMs: 30_000 }, "wait"],
    ["a young attempt at a server that was silent before waits", { serverSilentForMs: 30_000 }, "wait"],
    [
      "silence since the attempt is answered by a second one",
      { attemptAgeMs: 2_000, serverSilentForMs: 2_000 },
      "hedge",
    ],
    ["one second attempt is enough", { attemptAgeMs: 2_000, serverSilentForMs: 2_000, hasRival: true }, "wait"],
    [
      "what may not be repeated waits in silence",
      { attemptAgeMs: 2_000, serverSilentForMs: 2_000, isRepeatable: false },
      "wait",
    ],
    ["a suspect server is answered by a second attempt at once", { server: "suspect" }, "hedge"],
    ["a removed server is, too", { server: "removed", removedForMs: 1 }, "hedge"],
    ["a draining server finishes what it has", { server: "draining" }, "wait"],
    [
      "a removed server has its grace for the rest",
      { server: "removed", removedForMs: 1, isRepeatable: false },
      "wait",
    ],
    ["and no more than that", { ...removed, isRepeatable: false }, "give-up-server"],
    ["a rival does not keep a lost server's attempt", { ...removed, hasRival: true }, "give-up-server"],
    ["an answer on its way from a removed server goes on", { ...removed, hasAnswerBegun: true }, "wait"],
    [
      "unless its bytes stopped coming",
      { ...removed, hasAnswerBegun: true, serverSilentForMs: 1_001 },
      "give-up-server",
    ],
    ["an answer on its way is never doubled", { server: "suspect", hasAnswerBegun: true }, "wait"],
    ["the whole answer has its time", { requestAgeMs: 60_001 }, "time-out"],
    ["also one that has begun", { requestAgeMs: 60_001, hasAnswerBegun: true }, "time-out"],
  ])("%s", (_claim, facts, expected) => {
    expect(verdict(facts)).toBe(expected);
  });
});
