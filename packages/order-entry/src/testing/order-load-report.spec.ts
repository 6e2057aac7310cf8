import { percentile, summarize, type OrderRecord } from "./order-load-report.ts";

const record = (startedAt: number, ms: number, part: Partial<OrderRecord> = {}): OrderRecord => ({
  key: `k${startedAt}`,
  startedAt,
  ms,
  attempts: 1,
  outcome: "acknowledged",
  ...part,
});

describe("the report of a run", () => {
  it("counts outcomes, attempts and repeated orders", () => {
    const report = summarize(
      [
        record(0, 10),
        record(10, 20, { attempts: 3 }),
        record(30, 5_000, { outcome: "unknown", attempts: 9 }),
        record(40, 5, { outcome: "refused" }),
      ],
      new Map([["ECONNRESET", 10]]),
      0,
      6_000,
    );
    expect(report).toMatchObject({
      orders: 4,
      acknowledged: 2,
      unknown: 1,
      refused: 1,
      attempts: 14,
      repeated: 2,
      reasons: { ECONNRESET: 10 },
      latencyMs: { p50: 10, max: 20 },
    });
  });

  it("finds the longest time without an acknowledged order, beginning and end included", () => {
    expect(summarize([record(0, 10), record(100, 50)], new Map(), 0, 1_000).longestGapMs).toBe(850);
    expect(summarize([record(700, 50)], new Map(), 0, 1_000).longestGapMs).toBe(750);
    expect(summarize([], new Map(), 0, 1_000).longestGapMs).toBe(1_000);
  });

  it("takes percentiles by nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([0.5, 0.95, 0.99, 1].map((fraction) => percentile(values, fraction))).toEqual([50, 95, 99, 100]);
    expect(percentile([7], 0.5)).toBe(7);
    expect(percentile([], 0.5)).toBe(0);
  });
});
