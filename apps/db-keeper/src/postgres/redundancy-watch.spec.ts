import type { SeenStandby } from "./observation.ts";
import { RedundancyWatch } from "./redundancy-watch.ts";

const row = (repliedAt: string, state = "streaming"): SeenStandby => ({
  member: "b",
  state,
  syncState: "quorum",
  flushedAt: 1n,
  repliedAt,
});

describe("RedundancyWatch", () => {
  it("counts a standby as streaming while its answers change, whatever its clock says", () => {
    const watch = new RedundancyWatch(["b"]);
    for (let now = 0; now <= 3_000; now += 100) watch.look([row(`1999-01-01 ${Math.floor(now / 1_000)}`)], now);
    expect(watch.standbys).toMatchObject([{ isStreaming: true }]);
    expect(watch.missingMs).toEqual({});
  });

  it("misses a frozen one although its connection stands", () => {
    const watch = new RedundancyWatch(["b"]);
    for (let now = 0; now <= 4_000; now += 100) watch.look([row("same")], now);
    expect(watch.standbys).toMatchObject([{ isStreaming: false }]);
    expect(watch.missingMs["b"]).toBe(1_500);
  });

  it("counts no time in which nobody looked", () => {
    const watch = new RedundancyWatch(["b"]);
    watch.look([], 0);
    watch.look([], 500);
    watch.look([], 60_000);
    expect(watch.missingMs).toEqual({ b: 500 });
    watch.look([], 60_400);
    expect(watch.missingMs).toEqual({ b: 900 });
  });

  it("passes over strangers", () => {
    const watch = new RedundancyWatch(["b"]);
    watch.look([{ ...row("1"), member: "clone:b" }], 0);
    expect(watch.standbys).toEqual([]);
    expect(watch.missingMs).toEqual({ b: 0 });
  });
});
