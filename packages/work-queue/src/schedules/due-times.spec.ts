import { nextDue, planDue } from "./due-times.ts";

const at = (text: string): number => Date.parse(text);
const hourly = { cron: "0 * * * *", timeZone: "UTC" };

describe("when schedules are due", () => {
  it("in the zone's own time, through the change to summer time and back", () => {
    const daily = (after: string) =>
      new Date(nextDue("30 2 * * *", "Europe/Berlin", at(after)) as number).toISOString();
    expect(daily("2026-01-10T00:00:00Z")).toBe("2026-01-10T01:30:00.000Z");
    expect(daily("2026-07-10T00:00:00Z")).toBe("2026-07-10T00:30:00.000Z");
    // 02:30 comes twice on this day, and the schedule fires once.
    const first = nextDue("30 2 * * *", "Europe/Berlin", at("2026-10-25T00:00:00Z")) as number;
    const second = nextDue("30 2 * * *", "Europe/Berlin", first) as number;
    expect(second - first).toBeGreaterThan(23 * 3_600_000);
  });

  it.each([
    ["skip", []],
    ["once", ["2026-05-01T11:00:00Z"]],
    ["all", ["2026-05-01T09:00:00Z", "2026-05-01T10:00:00Z", "2026-05-01T11:00:00Z"]],
  ] as const)("missed, %s", (missed, dues) => {
    const plan = planDue({
      ...hourly,
      missed,
      nextDueMs: at("2026-05-01T09:00:00Z"),
      nowMs: at("2026-05-01T11:30:00Z"),
    });
    expect(plan).toEqual({ dues: dues.map(at), nextMs: at("2026-05-01T12:00:00Z"), isComplete: true });
  });

  it.each(["skip", "once", "all"] as const)("one that is a moment late is not missed (%s)", (missed) => {
    const plan = planDue({
      ...hourly,
      missed,
      nextDueMs: at("2026-05-01T09:00:00Z"),
      nowMs: at("2026-05-01T09:00:20Z"),
    });
    expect(plan.dues).toEqual([at("2026-05-01T09:00:00Z")]);
  });

  it("a clock that goes back fires nothing again", () => {
    const plan = planDue({
      ...hourly,
      missed: "all",
      nextDueMs: at("2026-05-01T10:00:00Z"),
      nowMs: at("2026-05-01T08:00:00Z"),
    });
    expect(plan).toEqual({ dues: [], nextMs: at("2026-05-01T10:00:00Z"), isComplete: true });
  });

  it("years of missed seconds are caught up with in bounded steps", () => {
    const plan = planDue({ cron: "* * * * * *", timeZone: "UTC", missed: "all", nextDueMs: 0, nowMs: 10_000_000 });
    expect(plan.dues.length).toBe(1_000);
    expect(plan.isComplete).toBe(false);
    expect(plan.nextMs).toBe(1_000_000);
  });
});
