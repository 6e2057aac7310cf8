/**
 * Watches a simulated election from outside, in true time, and throws at the first breach of a property:
 *
 *   a  a term is gained by one incarnation only, terms rise, and only a won swap makes a leader
 *   b  without hints: never two running candidates that may act at one instant
 *   c  who was paused for long, while another took the lease, does not act before it gained a term anew;
 *      who saw a newer term does not act under an older one
 *   d  effects accepted by a fenced receiver: terms never fall, and each is of the incarnation that won it
 *   e  after the storm: one leader within the silence and some seconds, and it stays
 *   f  a released lease is soon with the one it is meant for
 *   g  what a candidate once saw it never unsees: the revisions and terms that it tries never fall
 */
import type { Lease, SeenLease } from "../lease.ts";
import type { LeaseTiming } from "../timing.ts";
import type { ElectionRules } from "./election-scenario.ts";
import type { SimulatedCandidate } from "./simulated-candidate.ts";

export type ElectionProperty = "a" | "b" | "c" | "d" | "e" | "f" | "g";

export class ElectionViolation extends Error {
  constructor(
    readonly property: ElectionProperty,
    message: string,
  ) {
    super(`(${property}) ${message}`);
    this.name = "ElectionViolation";
  }
}

export interface Effect {
  readonly term: number;
  readonly incarnation: string;
}

export class ElectionReferee {
  /** Instants at which two could act: with hints this is allowed, and only fencing keeps it harmless (L5). */
  overlaps = 0;
  /** Leaders that found after a pause that another had taken the lease. */
  zombies = 0;
  termsGained = 0;
  /** Who won each term, by the store's own order. */
  readonly #wonBy = new Map<number, string>();
  readonly #leadBy = new Map<number, string>();
  #highestWon = 0;
  #highestAccepted = 0;
  readonly #triedFrom = new Map<string, { revision: number; term: number }>();
  /** Candidates that must gain a term before they act, by a swap begun after this time on their own clock. */
  readonly #barred = new Map<SimulatedCandidate, number>();
  readonly #takenWhilePaused = new Set<SimulatedCandidate>();
  /** The highest term that an incarnation was shown. */
  readonly #shown = new Map<string, number>();

  constructor(
    private readonly rules: ElectionRules,
    private readonly candidates: readonly SimulatedCandidate[],
    private readonly timing: LeaseTiming,
    private readonly allowsOverlap: boolean,
  ) {}

  tries(candidate: SimulatedCandidate, expectedRevision: number, next: Lease): void {
    const key = candidate.me.incarnation;
    const before = this.#triedFrom.get(key);
    if (before !== undefined && (expectedRevision < before.revision || next.term < before.term)) {
      throw new ElectionViolation(
        "g",
        `${key} tries term ${next.term} from revision ${expectedRevision} after term ${before.term} from ${before.revision}`,
      );
    }
    this.#triedFrom.set(key, { revision: expectedRevision, term: next.term });
  }

  /** The store carried out a swap. */
  stored({ term, holder }: Lease): void {
    const winner = this.#wonBy.get(term);
    if (winner === holder.incarnation) return;
    if (winner !== undefined) {
      throw new ElectionViolation("a", `term ${term} was won by ${winner} and by ${holder.incarnation}`);
    }
    if (term <= this.#highestWon) {
      throw new ElectionViolation("a", `term ${term} was won after ${this.#highestWon}`);
    }
    this.#highestWon = term;
    this.#wonBy.set(term, holder.incarnation);
    for (const candidate of this.candidates) {
      if (candidate.isPaused && candidate.me.incarnation !== holder.incarnation) this.#takenWhilePaused.add(candidate);
    }
  }

  leads(candidate: SimulatedCandidate, { lease: { term } }: SeenLease): void {
    const { incarnation } = candidate.me;
    if (this.#leadBy.has(term)) {
      throw new ElectionViolation("a", `term ${term} is led by ${this.#leadBy.get(term)} and again by ${incarnation}`);
    }
    if (this.#wonBy.get(term) !== incarnation) {
      throw new ElectionViolation(
        "a",
        `${incarnation} leads term ${term}, won by ${this.#wonBy.get(term) ?? "nobody"}`,
      );
    }
    this.#leadBy.set(term, incarnation);
    this.termsGained += 1;
    const barredSince = this.#barred.get(candidate);
    if (barredSince !== undefined && candidate.trying?.term === term && candidate.trying.startedAt >= barredSince) {
      this.#barred.delete(candidate);
    }
  }

  /** The candidate processes an entry of the store. */
  sees({ me }: SimulatedCandidate, { lease: { term } }: SeenLease): void {
    if (term > (this.#shown.get(me.incarnation) ?? 0)) this.#shown.set(me.incarnation, term);
  }

  resumed(candidate: SimulatedCandidate, now: number): void {
    const pausedMs = candidate.clock(now) - candidate.clock(candidate.pausedSince);
    const taken = this.#takenWhilePaused.delete(candidate);
    if (!taken || pausedMs <= this.timing.pauseToleranceMs) return;
    if (candidate.state.kind === "leading") this.zombies += 1;
    this.#barred.set(candidate, candidate.clock(now));
  }

  /** The candidate's process is gone, and its duties with it. */
  ended(candidate: SimulatedCandidate): void {
    this.#barred.delete(candidate);
    this.#takenWhilePaused.delete(candidate);
  }

  acts(candidate: SimulatedCandidate, now: number): boolean {
    return (
      candidate.isAlive && !candidate.isPaused && this.rules.mayAct(candidate.state, candidate.clock(now), this.timing)
    );
  }

  /** After each event of a candidate: only an event of its own can make it act, so no instant is missed. */
  checkTurn(candidate: SimulatedCandidate, now: number): void {
    if (!this.acts(candidate, now)) return;
    if (this.#barred.has(candidate)) {
      throw new ElectionViolation("c", `${candidate.me.incarnation} acts after its pause as if nothing had happened`);
    }
    const { state, me } = candidate;
    const shown = this.#shown.get(me.incarnation) ?? 0;
    if (state.kind === "leading" && state.held.lease.term < shown) {
      throw new ElectionViolation("c", `${me.incarnation} saw term ${shown} and acts in ${state.held.lease.term}`);
    }
    for (const other of this.candidates) {
      if (other === candidate || !this.acts(other, now)) continue;
      this.overlaps += 1;
      if (!this.allowsOverlap) {
        throw new ElectionViolation("b", `${candidate.me.incarnation} and ${other.me.incarnation} act at ${now} ms`);
      }
    }
  }

  accepted({ term, incarnation }: Effect): void {
    if (term < this.#highestAccepted) {
      throw new ElectionViolation("d", `an effect of term ${term} was accepted after one of ${this.#highestAccepted}`);
    }
    if (this.#wonBy.get(term) !== incarnation) {
      throw new ElectionViolation("d", `an effect of ${incarnation} was accepted for term ${term}, which it never won`);
    }
    this.#highestAccepted = term;
  }

  /** The one candidate that acts now. */
  onlyLeader(now: number, property: ElectionProperty, when: string): SimulatedCandidate {
    const acting = this.candidates.filter((candidate) => this.acts(candidate, now));
    const [leader, second] = acting;
    if (leader === undefined || second !== undefined) {
      const states = this.candidates.map(
        ({ me, isAlive, state }) => `${me.incarnation}=${isAlive ? state.kind : "dead"}`,
      );
      throw new ElectionViolation(property, `${acting.length} leaders ${when} (${states.join(", ")})`);
    }
    return leader;
  }
}
