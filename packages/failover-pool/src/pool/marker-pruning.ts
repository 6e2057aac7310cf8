/** Removes markers that nobody asks for any more (rules and proof: docs/decisions/0007). */
import type { PoolCore } from "./pool-core.ts";

/** A range of the index: some microseconds for each row, off the callers' way. */
const mostAtOnce = 20_000;
const leastAtOnce = 2_000;
/** What an idle pool has left is taken away all the same. */
const leastEveryMs = 30_000;

export class MarkerPruning {
  #prunedTo = 1;
  #prunedAtMs = performance.now();
  #nextOldAtMs = performance.now() + 60_000 * Math.random();
  #isRunning = false;

  constructor(
    private readonly core: PoolCore,
    /** Sequence of the oldest operation that a client of this pool has in work. */
    private readonly oldestInWork: () => number,
    private readonly run: (text: string, values: readonly unknown[]) => Promise<unknown>,
  ) {}

  /** Best effort: what fails is tried again at the next call. */
  async prune(): Promise<void> {
    const { core } = this;
    if (this.#isRunning || !core.markers.isReady || core.finder.primary === undefined) return;
    this.#isRunning = true;
    try {
      const to = Math.min(this.#settledTo(), this.#prunedTo + mostAtOnce);
      const isTime = performance.now() - this.#prunedAtMs >= leastEveryMs;
      if (to - this.#prunedTo >= leastAtOnce || (isTime && to > this.#prunedTo)) {
        this.#prunedAtMs = performance.now();
        await this.run(core.marker.pruneSettled, [core.keys.keyOf(this.#prunedTo), core.keys.keyOf(to)]);
        this.#prunedTo = to;
      }
      if (performance.now() >= this.#nextOldAtMs) {
        // Not all pools at the same moment.
        this.#nextOldAtMs = performance.now() + 3_600_000 * (0.5 + Math.random());
        await this.run(core.marker.pruneOld, []);
      }
    } catch {
      // Nothing depends on it.
    } finally {
      this.#isRunning = false;
    }
  }

  /** Every operation before this one is over for this pool: answered, or its outcome settled. */
  #settledTo(): number {
    let to = Math.min(this.core.keys.upcoming, this.oldestInWork());
    for (const { operation } of this.core.doubts) to = Math.min(to, this.core.keys.sequenceOf(operation));
    return to;
  }
}
