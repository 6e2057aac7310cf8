import { retryWaitMs } from "./retry-wait.ts";

it("waits begin at 10 to 25 ms, grow, and end at 500 ms", () => {
  for (const random of [0, 0.5, 0.999]) {
    expect(retryWaitMs(0, random)).toBeGreaterThanOrEqual(10);
    expect(retryWaitMs(0, random)).toBeLessThanOrEqual(25);
    for (let tries = 1; tries < 40; tries++) {
      expect(retryWaitMs(tries, random)).toBeGreaterThanOrEqual(retryWaitMs(tries - 1, random));
      expect(retryWaitMs(tries, random)).toBeLessThanOrEqual(500);
    }
  }
});
