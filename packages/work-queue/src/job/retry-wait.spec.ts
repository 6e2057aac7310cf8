import { retryWaitMs } from "./retry-wait.ts";

describe("waits between attempts", () => {
  it("grow by their factor, up to the longest", () => {
    const waits = [1, 2, 3, 4, 5, 500].map((attempt) =>
      retryWaitMs({ firstMs: 100, factor: 3, maxMs: 2_000, jitter: 0 }, attempt),
    );
    expect(waits).toEqual([100, 300, 900, 2_000, 2_000, 2_000]);
  });

  it("are shortened by at most their jitter", () => {
    expect(retryWaitMs({ firstMs: 100, jitter: 0.5 }, 1, () => 0)).toBe(100);
    expect(retryWaitMs({ firstMs: 100, jitter: 0.5 }, 1, () => 1)).toBe(50);
  });
});
