import { checkTiming, standardTiming, type LeaseTiming } from "./timing.ts";

describe("the timing of a lease", () => {
  it("accepts the standard", () => {
    expect(checkTiming(standardTiming)).toBe(standardTiming);
  });

  it.each<[string, Partial<LeaseTiming>, RegExp]>([
    ["a silence shorter than JetStream's worst election", { silenceMs: 11_999 }, /silenceMs/],
    ["no room for clocks of different speed", { actForMs: 12_001 }, /80%/],
    ["no second try before the leader must stop", { renewEveryMs: 5_000 }, /second try/],
    [
      "less than the loss of a NATS node takes, so that it would depose a healthy leader",
      { actForMs: 9_900, silenceMs: 15_000 },
      /JetStream/,
    ],
    ["ticks further apart than the pause that it tolerates", { pauseToleranceMs: 250 }, /pauseToleranceMs/],
    ["nonsense", { hintMs: Number.NaN }, /hintMs/],
    ["nothing at all", { handOverMs: 0 }, /handOverMs/],
    ["infinity", { silenceMs: Infinity }, /silenceMs/],
  ])("refuses %s", (_, change, reason) => {
    expect(() => checkTiming({ ...standardTiming, ...change })).toThrow(reason);
  });
});
