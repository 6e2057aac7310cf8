/**
 * How long this observer has provably been listening, per NATS node.
 *
 * A node's listening clock runs only between two messages that came through the node at most `gapMs` apart. Time in
 * which the node was frozen, cut or lost, or in which this process stood still, is a longer gap and counts nothing.
 * After a gap the clock waits for `settleMs`: who is alive gets the chance to be heard first. The clocks are compared
 * with what they showed at an instance's last sign of life; the difference is silence that was really listened to.
 */

/** Longest pause between two messages through a node that still counts as listening: three echoes, see `Detector`. */
export const gapMs = 600;
const settleMs = 500;

export type Clocks = readonly number[];

interface NodeClock {
  readonly node: string;
  ranMs: number;
  heardAt: number;
  settledAt: number;
}

export class Listening {
  readonly #nodes: readonly NodeClock[];
  /** How many nodes must agree: at least half of all, so that an observer that is cut off concludes nothing. */
  readonly quorum: number;

  constructor(nodes: readonly string[]) {
    const never = Number.NEGATIVE_INFINITY;
    this.#nodes = nodes.map((node) => ({ node, ranMs: 0, heardAt: never, settledAt: never }));
    this.quorum = Math.max(1, Math.ceil(nodes.length / 2));
  }

  /** Something came through `node`. */
  heard(node: string, at: number): void {
    const clock = this.#nodes.find((candidate) => candidate.node === node);
    if (clock === undefined || at < clock.heardAt) return;
    if (at - clock.heardAt > gapMs) clock.settledAt = at + settleMs;
    else clock.ranMs += Math.max(0, at - Math.max(clock.heardAt, clock.settledAt));
    clock.heardAt = at;
  }

  /** Nodes that are listened to now. */
  nodes(at: number): readonly string[] {
    return this.#nodes.filter(({ heardAt }) => at - heardAt <= gapMs).map(({ node }) => node);
  }

  hearsEnough(at: number): boolean {
    return this.nodes(at).length >= this.quorum;
  }

  /**
   * What the clocks show at `at`, including what they will have run by then if their next message comes in time:
   * otherwise the time from a node's latest message to now would count as listened to after now.
   */
  read(at: number): Clocks {
    return this.#nodes.map(({ ranMs, heardAt, settledAt }) =>
      at - heardAt > gapMs ? ranMs : ranMs + Math.max(0, at - Math.max(heardAt, settledAt)),
    );
  }

  /** Milliseconds that at least a quorum of the nodes has been listened to since `then`. */
  sinceMs(then: Clocks): number {
    const ran = this.#nodes.map(({ ranMs }, index) => ranMs - (then[index] ?? 0)).toSorted((a, b) => b - a);
    return ran[this.quorum - 1] ?? 0;
  }
}
