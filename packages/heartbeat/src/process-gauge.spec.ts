import { setTimeout as elapse } from "node:timers/promises";
import { ProcessGauge } from "./process-gauge.ts";

/** Keeps the event loop from turning. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("the process's figures", () => {
  it("show a blocked event loop once", async () => {
    const gauge = new ProcessGauge();
    gauge.start();
    try {
      await elapse(100);
      gauge.read();
      block(300);
      await elapse(50);
      const figures = gauge.read();
      expect(figures.eventLoopLagMs).toBeGreaterThan(150);
      expect(figures.cpu).toBeGreaterThan(0);
      expect(figures.residentBytes).toBeGreaterThan(1_000_000);
      await elapse(100);
      expect(gauge.read().eventLoopLagMs).toBeLessThan(figures.eventLoopLagMs);
    } finally {
      gauge.stop();
    }
  });
});
