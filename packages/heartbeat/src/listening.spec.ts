import { gapMs, Listening } from "./listening.ts";

const listenTo = (listening: Listening, node: string, fromMs: number, toMs: number, everyMs = 200): void => {
  for (let at = fromMs; at <= toMs; at += everyMs) listening.heard(node, at);
};

describe("listening", () => {
  it("counts nothing before anything was heard", () => {
    const listening = new Listening(["a"]);
    expect(listening.sinceMs(listening.read(0))).toBe(0);
    expect(listening.hearsEnough(0)).toBe(false);
  });

  it("counts the time between messages after it has settled", () => {
    const listening = new Listening(["a"]);
    const start = listening.read(0);
    listenTo(listening, "a", 0, 2_000);
    expect(listening.sinceMs(start)).toBe(1_500);
    const then = listening.read(2_000);
    listenTo(listening, "a", 2_000, 4_000);
    expect(listening.sinceMs(then)).toBe(2_000);
  });

  it("does not count a gap, nor the time to settle after it", () => {
    const listening = new Listening(["a"]);
    listenTo(listening, "a", 0, 2_000);
    const then = listening.read(2_000);
    listenTo(listening, "a", 2_000 + gapMs + 1, 2_000 + gapMs + 1 + 400);
    expect(listening.sinceMs(then)).toBe(0);
  });

  it("stands still while nothing comes, however late it is asked", () => {
    const listening = new Listening(["a"]);
    listenTo(listening, "a", 0, 2_000);
    const then = listening.read(2_000);
    expect(listening.nodes(60_000)).toEqual([]);
    expect(listening.sinceMs(then)).toBe(0);
  });

  it("does not count what passed between a node's latest message and the moment that is counted from", () => {
    const listening = new Listening(["a"]);
    listenTo(listening, "a", 0, 2_000);
    const then = listening.read(2_150);
    listening.heard("a", 2_200);
    expect(listening.sinceMs(then)).toBe(50);
  });

  it("counts a node that comes back after it was away at the moment that is counted from", () => {
    const listening = new Listening(["a"]);
    listenTo(listening, "a", 0, 2_000);
    const then = listening.read(60_000);
    listenTo(listening, "a", 70_000, 72_000);
    expect(listening.sinceMs(then)).toBe(1_500);
  });

  it("needs half of the nodes: one of three concludes nothing, two do", () => {
    const listening = new Listening(["a", "b", "c"]);
    const start = listening.read(0);
    listenTo(listening, "a", 0, 3_000);
    expect(listening.sinceMs(start)).toBe(0);
    expect(listening.hearsEnough(3_000)).toBe(false);
    listenTo(listening, "c", 3_000, 5_000);
    listenTo(listening, "a", 3_000, 5_000);
    expect(listening.hearsEnough(5_000)).toBe(true);
    expect(listening.sinceMs(start)).toBe(1_500);
  });

  it("ignores nodes that are not configured", () => {
    const listening = new Listening(["a"]);
    listenTo(listening, "x", 0, 3_000);
    expect(listening.nodes(3_000)).toEqual([]);
  });
});
