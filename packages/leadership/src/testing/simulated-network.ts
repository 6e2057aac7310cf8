/**
 * The lease store of a simulated election and the way to it. Requests and answers are delayed, lost, doubled and
 * reordered apart from each other; reads may come from a replica that lags behind; the watch loses and reorders, which
 * is worse than a real one. A lost answer becomes `unknown` on the candidate's own clock, although carried out.
 */
import type { Lease, SeenLease } from "../lease.ts";
import type { SwapResult } from "../lease-store.ts";
import type { Agenda } from "./agenda.ts";
import type { Scenario, Weather } from "./election-scenario.ts";
import { InMemoryLeaseStore } from "./in-memory-lease-store.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { SimulatedCandidate } from "./simulated-candidate.ts";

const fair: Weather = { lost: 0, doubled: 0, late: 0, stale: 0 };
const readTimeoutMs = 1_000;
const readAgainMs = 100;
/** What is still under way when the storm ends arrives within this time. */
export const settleMs = 500;

export class SimulatedNetwork {
  lostMessages = 0;
  storeAwayUntil = 0;
  readonly #store = new InMemoryLeaseStore();
  readonly #stored: SeenLease[] = [];
  #weather: Weather;

  constructor(
    private readonly agenda: Agenda,
    private readonly random: SeededRandom,
    private readonly scenario: Scenario,
    private readonly onStored: (seen: SeenLease) => void,
  ) {
    this.#weather = scenario.weather;
  }

  get present(): SeenLease | undefined {
    return this.#store.peek();
  }

  calm(): void {
    this.#weather = fair;
    this.storeAwayUntil = 0;
  }

  /** When a message sent now arrives; `delayMs` makes it late on purpose. */
  arrival(delayMs = 0): number {
    const { now } = this.agenda;
    if (this.#weather === fair) return now + this.random.between(1, 20);
    if (delayMs === 0 && !this.random.chance(this.#weather.late)) return now + this.random.between(1, 20);
    const late = now + (delayMs || this.random.between(20, this.random.chance(10) ? 20_000 : 3_000));
    return Math.min(late, this.scenario.stormMs + settleMs);
  }

  /** Calls `answer` once, in the candidate's process. */
  swap(
    candidate: SimulatedCandidate,
    expectedRevision: number,
    next: Lease,
    answer: (result: SwapResult) => void,
  ): void {
    let isSettled = false;
    const settle = (result: SwapResult) => {
      if (isSettled) return;
      isSettled = true;
      answer(result);
    };
    candidate.later("timer", this.scenario.timing.swapTimeoutMs, () => settle({ kind: "unknown", reason: "time-out" }));
    const { lose, delayMs, onSent } = candidate.takeNextSwap();
    // The answer goes to the process that asked; one that was started since has a connection of its own.
    const { incarnation } = candidate;
    const copies = this.random.chance(this.#weather.doubled) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (lose === "request" || this.#isLost(candidate.requestsCutUntil)) continue;
      this.agenda.at(this.arrival(), () => {
        if (this.agenda.now < this.storeAwayUntil) return;
        const result = this.#store.swapNow(expectedRevision, next);
        if (result.kind === "swapped") this.#stored.push(this.present as SeenLease);
        if (result.kind === "swapped") this.onStored(this.present as SeenLease);
        if (candidate.incarnation !== incarnation) return;
        if (lose === "answer" || this.#isLost(candidate.answersCutUntil)) return;
        candidate.deliver("message", this.arrival(delayMs), () => settle(result));
      });
    }
    onSent?.();
  }

  /** Calls `show` with what the watch tells, unless it is lost. */
  show(candidate: SimulatedCandidate, show: () => void): void {
    if (!this.#isLost(candidate.answersCutUntil)) candidate.deliver("message", this.arrival(), show);
  }

  /** Tries until an entry comes. */
  read(candidate: SimulatedCandidate, answer: (seen: SeenLease | undefined) => void): void {
    const isLost =
      this.#isLost(candidate.requestsCutUntil) ||
      this.#isLost(candidate.answersCutUntil) ||
      (this.agenda.now < this.storeAwayUntil && this.random.chance(50));
    if (isLost) {
      candidate.later("timer", readTimeoutMs + readAgainMs, () => this.read(candidate, answer));
      return;
    }
    this.agenda.at(this.arrival(), () => {
      const isStale = this.random.chance(this.#weather.stale);
      const seen = isStale ? this.#stored[this.random.index(this.#stored.length + 1) - 1] : this.present;
      candidate.deliver("message", this.arrival(), () => answer(seen));
    });
  }

  #isLost(cutUntil: number): boolean {
    const isLost = this.agenda.now < cutUntil || this.random.chance(this.#weather.lost);
    if (isLost) this.lostMessages += 1;
    return isLost;
  }
}
