import { pauseTable, reportStep } from "./pauses.ts";

const order = (startedAt: number, ms: number, attempts = 1) => ({
  key: `k${startedAt}`,
  startedAt,
  ms,
  attempts,
  outcome: "acknowledged" as const,
});

describe("the report of a step", () => {
  it("counts an order where it ended, and the time before the first and after the last one as a pause", () => {
    const records = [order(900, 50), order(900, 200), order(1_500, 100, 3), order(1_900, 500)];
    expect(reportStep("kill", records, 1_000, 2_000)).toEqual({
      step: "kill",
      seconds: 1,
      orders: 2,
      longestPauseMs: 500,
      pausedAfterMs: 100,
      slowestOrderMs: 200,
      repeated: 1,
      unknown: 0,
    });
  });

  it("calls a step without any order one pause", () => {
    expect(reportStep("off", [], 0, 3_000)).toMatchObject({ orders: 0, longestPauseMs: 3_000 });
  });

  it("is a table whose columns stand below each other", () => {
    const lines = pauseTable([reportStep("a", [], 0, 1_000), reportStep("a longer name", [], 0, 90_000)]).split("\n");
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });
});
