import { Registry, type Metric } from "prom-client";
import { LatencyHistogram } from "./latency-histogram.ts";

describe("LatencyHistogram", () => {
  it("is written like any histogram: cumulative buckets, sum and count", async () => {
    const registry = new Registry();
    const histogram = new LatencyHistogram("test_seconds", "A test.");
    registry.registerMetric(histogram as unknown as Metric);
    for (const seconds of [0.0005, 0.001, 0.002, 0.3, 100]) histogram.observe(seconds);
    const lines = (await registry.metrics()).trim().split("\n");
    expect(lines.slice(0, 4)).toEqual([
      "# HELP test_seconds A test.",
      "# TYPE test_seconds histogram",
      'test_seconds_bucket{le="0.001"} 2',
      'test_seconds_bucket{le="0.0025"} 3',
    ]);
    expect(lines).toContain('test_seconds_bucket{le="0.5"} 4');
    expect(lines).toContain('test_seconds_bucket{le="30"} 4');
    expect(lines).toContain('test_seconds_bucket{le="+Inf"} 5');
    expect(lines.at(-2)).toMatch(/^test_seconds_sum 100\.30/);
    expect(lines.at(-1)).toBe("test_seconds_count 5");
  });
});
