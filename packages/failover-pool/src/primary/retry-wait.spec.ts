import { retryWaitMs } from "./retry-wait.ts";

describe.each(["connections", "questions"] as const)("waits between %s", (of) => {
  it("begin at 10 to 25 ms, grow, and end at 500 ms", () => {
    for (const random of [0, 0.5, 0.999]) {
      expect(retryWaitMs(0, random, of)).toBeGreaterThanOrEqual(10);
      expect(retryWaitMs(0, random, of)).toBeLessThanOrEqual(25);
      for (let tries = 1; tries < 40; tries++) {
        expect(retryWaitMs(tries, random, of)).toBeGreaterThanOrEqual(retryWaitMs(tries - 1, random, of));
        expect(retryWaitMs(tries, random, of)).toBeLessThanOrEqual(500);
      }
      expect(retryWaitMs(39, random, of)).toBeGreaterThanOrEqual(400);
    }
  });
});

it("questions are asked again soon after whatever time has gone by", () => {
  let elapsed = 0;
  for (let tries = 0; elapsed < 2_000; tries++) {
    const wait = retryWaitMs(tries, 0.999, "questions");
    if (elapsed > 100) expect(wait).toBeLessThan(0.45 * elapsed);
    elapsed += wait;
  }
});
