import fc from "fast-check";
import { afterEnding, standardRestartPolicy as policy, type Ending } from "./restart-policy.ts";

const crashed: Ending = { livedMs: 500, exitCode: 1, wasKilledOnPurpose: false };

/** The waits of a process that ends `times` times in the same way. */
function waits(ending: Ending, times: number): number[] {
  const result: number[] = [];
  for (let early = 0; result.length < times;) {
    const decision = afterEnding(ending, early, policy);
    if (decision.kind === "give-up") break;
    result.push(decision.waitMs);
    early = decision.earlyEndings;
  }
  return result;
}

describe("the restart policy", () => {
  it("waits a second, then longer and longer, to half a minute, for what keeps dying", () => {
    expect(waits(crashed, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it("begins anew after a life of half a minute", () => {
    expect(afterEnding({ ...crashed, livedMs: 30_000 }, 7, policy)).toEqual({
      kind: "restart",
      waitMs: 1_000,
      earlyEndings: 1,
    });
  });

  it("holds nothing against what was killed on purpose", () => {
    expect(waits({ livedMs: 10, exitCode: null, wasKilledOnPurpose: true }, 5)).toEqual(Array(5).fill(1_000));
  });

  it("does not start again what refuses its configuration", () => {
    expect(afterEnding({ ...crashed, exitCode: 78 }, 0, policy)).toEqual({ kind: "give-up" });
  });

  it("never waits less than the first wait nor longer than the longest, whatever happens", () => {
    const ending = fc.record({
      livedMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
      exitCode: fc.option(fc.integer({ min: 0, max: 77 })),
      wasKilledOnPurpose: fc.boolean(),
    });
    fc.assert(
      fc.property(ending, fc.nat(), (each, early) => {
        const decision = afterEnding(each, early, policy);
        return decision.kind === "restart" && decision.waitMs >= policy.firstMs && decision.waitMs <= policy.mostMs;
      }),
    );
  });
});
