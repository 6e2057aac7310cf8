import { execFileSync } from "node:child_process";
import { withClock, type ClockFault } from "@understudy/testkit";

/** What a process with that clock sees while it waits a second by its own measure. */
function seen(fault: ClockFault): { date: number; performanceMs: number; realMs: number } {
  const program = `
    import { setTimeout as pause } from "node:timers/promises";
    const [date, mark] = [Date.now(), performance.now()];
    await pause(500); await new Promise((resolve) => setTimeout(resolve, 500));
    console.log(JSON.stringify({ date, performanceMs: performance.now() - mark }));`;
  const startedAt = performance.now();
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    env: { ...process.env, ...withClock(fault) },
    encoding: "utf8",
  });
  return { ...(JSON.parse(output) as { date: number; performanceMs: number }), realMs: performance.now() - startedAt };
}

describe("a process with a wrong clock", () => {
  it("is off by what was asked for", () => {
    const { date } = seen({ offsetMs: -3_600_000 });
    expect(Math.abs(date - (Date.now() - 3_600_000))).toBeLessThan(30_000);
  });

  it("waits half as long at double speed and does not notice", () => {
    const [right, fast] = [seen({}), seen({ speed: 2 })];
    expect(fast.performanceMs).toBeGreaterThanOrEqual(950);
    expect(right.performanceMs).toBeGreaterThanOrEqual(950);
    expect(fast.realMs).toBeLessThan(right.realMs);
  });
});
