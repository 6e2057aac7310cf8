import { judgePeers, type PeerMemory, type SeenHolder } from "./judge-peers.ts";

const rules = { silenceMs: 5_000, gapMs: 1_000 };
const peer = (facts: Partial<SeenHolder> = {}): SeenHolder => ({
  incarnation: "i",
  id: "b",
  session: 1,
  beat: "1",
  is_lock_free: false,
  ...facts,
});

/** Looks one after the other; who was judged lost at each. */
function looks(...all: readonly [ms: number, ...seen: SeenHolder[]][]): string[][] {
  let memory: PeerMemory | undefined;
  return all.map(([ms, ...seen]) => {
    const judgement = judgePeers(memory, seen, ms, rules);
    memory = judgement.memory;
    return judgement.lost.map(({ reason }) => reason);
  });
}

describe("which fellow workers are gone", () => {
  it("a free lock seen twice is a death, seen once it is none", () => {
    const free = peer({ is_lock_free: true });
    expect(looks([0, peer()], [150, free], [300, peer()], [450, free])).toEqual([[], [], [], []]);
    expect(looks([0, peer()], [150, free], [300, free])[2]).toEqual([expect.stringContaining("session")]);
  });

  it("who came back under a new session number in between lives", () => {
    expect(
      looks(
        [0, peer({ is_lock_free: true })],
        [150, peer({ session: 2, is_lock_free: true })],
        [300, peer({ session: 2 })],
      ).flat(),
    ).toEqual([]);
  });

  it("silence is counted in the watcher's own time, from the last sign of life", () => {
    const steps = Array.from({ length: 12 }, (_, n): [number, SeenHolder] => [
      n * 500,
      peer({ beat: n < 2 ? String(n) : "2" }),
    ]);
    const found = looks(...steps);
    expect(found.findIndex((lost) => lost.length > 0)).toBe(-1);
    const longer = looks(...steps, [6_000, peer({ beat: "2" })]);
    expect(longer.at(-1)).toEqual([expect.stringContaining("no sign of life")]);
  });

  it("a watcher that was asleep, or had no database, begins anew", () => {
    expect(looks([0, peer()], [60_000, peer()], [60_150, peer()]).flat()).toEqual([]);
    expect(looks([0, peer({ is_lock_free: true })], [60_000, peer({ is_lock_free: true })]).flat()).toEqual([]);
  });
});
