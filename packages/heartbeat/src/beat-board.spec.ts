import type { Beat } from "@understudy/contracts";
import { isNews } from "./beat-board.ts";

const beatOf = (incarnation: number, sequence: number): Beat => ({
  instance: {
    id: "app-server-a",
    incarnation: `018f0000-0000-7000-8000-00000000000${incarnation}`,
    kind: "app-server",
    cluster: "understudy",
    site: "site-1",
    machine: "machine-a",
  },
  sequence,
  sentAt: 0,
  eventLoopLagMs: 0,
  residentBytes: 0,
  cpu: 0,
  load: 0,
  ready: true,
  host: { loadPerCpu: 0, memoryTotalBytes: 0, memoryAvailableBytes: 0, diskTotalBytes: 0, diskAvailableBytes: 0 },
});

describe("a beat", () => {
  it.each([
    ["the first one", beatOf(1, 0), undefined, true],
    ["the next sequence", beatOf(1, 8), beatOf(1, 7), true],
    ["a copy", beatOf(1, 7), beatOf(1, 7), false],
    ["a late one", beatOf(1, 6), beatOf(1, 7), false],
    ["a newer incarnation, from its beginning", beatOf(2, 0), beatOf(1, 7), true],
    ["an older incarnation, however far it is", beatOf(1, 900), beatOf(2, 0), false],
  ])("that is %s is news: %#", (_what, next, known, news) => {
    expect(isNews(next, known)).toBe(news);
  });
});
