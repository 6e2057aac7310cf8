/**
 * A whole election in simulated time: candidates with clocks of different speed, a store, a network that delays,
 * loses, doubles and reorders, processes that pause and die. Candidates are driven as `Elector` drives the core.
 *
 * First the storm of the scenario, then calm: everything heals, and one leader must emerge, hold, and hand over when
 * told. `ElectionReferee` says what must hold. The same scenario always runs the same way.
 */
import type { ElectionAction, ElectionEvent } from "../election.ts";
import type { Lease, SeenLease } from "../lease.ts";
import { Agenda } from "./agenda.ts";
import { ElectionReferee, ElectionViolation, type Effect } from "./election-referee.ts";
import { trueRules, type ElectionRules, type Fault, type Scenario } from "./election-scenario.ts";
import { InMemoryLeaseStore } from "./in-memory-lease-store.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedCandidate, type Lane } from "./simulated-candidate.ts";

const tickMs = 250;
const readEveryMs = 2_000;
const readAgainMs = 100;
const readTimeoutMs = 1_000;
const slowestRate = 0.92;
const fastestRate = 1.08;
// What was still under way when the storm ended arrives within this time.
const settleMs = 500;
// Beyond the silence: a try that was lost in the settling, its time-out, the next try.
const electionMarginMs = 4_000;
// Beyond the time-out of a request that was lost: a read, the next request, the watch, a tick.
const handOverMarginMs = 1_300;

export interface SimulationReport {
  readonly termsGained: number;
  readonly overlaps: number;
  readonly zombies: number;
  readonly faultsInEffect: number;
  readonly lostMessages: number;
  readonly effectsAccepted: number;
  readonly effectsRefused: number;
  readonly events: number;
}

export class ElectionSimulation {
  readonly #agenda = new Agenda();
  readonly #random: SeededRandom;
  readonly #store = new InMemoryLeaseStore();
  readonly #stored: SeenLease[] = [];
  readonly #candidates: SimulatedCandidate[];
  readonly #referee: ElectionReferee;
  #storeAwayUntil = 0;
  #isCalm = false;
  #fence: Effect | undefined;
  #faultsInEffect = 0;
  #lostMessages = 0;
  #effectsAccepted = 0;
  #effectsRefused = 0;

  constructor(
    private readonly scenario: Scenario,
    private readonly rules: ElectionRules = trueRules,
  ) {
    this.#random = new SeededRandom(scenario.seed);
    this.#candidates = Array.from(
      { length: scenario.candidates },
      (_, index) =>
        new SimulatedCandidate(
          index,
          this.#random.between(0, 1e9),
          // The extremes are what breaks things: half of the clocks have one.
          this.#random.chance(50)
            ? this.#random.between(slowestRate, fastestRate)
            : this.#random.chance(50)
              ? slowestRate
              : fastestRate,
        ),
    );
    this.#referee = new ElectionReferee(rules, this.#candidates, scenario.timing, scenario.hints);
  }

  /** @throws ElectionViolation at the first property that does not hold. */
  run(): SimulationReport {
    const { stormMs, faults } = this.scenario;
    for (const candidate of this.#candidates) {
      this.#agenda.at(this.#random.between(0, 2_000), () => this.#begin(candidate));
    }
    for (const fault of faults) this.#agenda.at((stormMs * fault.atPercent) / 100, () => this.#strike(fault));
    this.#agenda.runUntil(stormMs);
    this.#calm();
    const silenceMs = this.scenario.timing.silenceMs / slowestRate;
    this.#agenda.runUntil(stormMs + settleMs + silenceMs + electionMarginMs);
    const leader = this.#referee.onlyLeader(this.#agenda.now, "e", "after the storm");
    this.#expectToStay(leader, 4_000);
    this.#handOver(leader);
    return {
      termsGained: this.#referee.termsGained,
      overlaps: this.#referee.overlaps,
      zombies: this.#referee.zombies,
      faultsInEffect: this.#faultsInEffect,
      lostMessages: this.#lostMessages,
      effectsAccepted: this.#effectsAccepted,
      effectsRefused: this.#effectsRefused,
      events: this.#agenda.done,
    };
  }

  // The candidates' processes

  #begin(candidate: SimulatedCandidate): void {
    candidate.begin(this.#agenda.now);
    const present = this.#store.peek();
    if (present !== undefined) this.#showTo(candidate, present);
    this.#read(candidate);
    this.#tickIn(candidate, candidate.rate * this.#random.between(0, tickMs));
  }

  #tickIn(candidate: SimulatedCandidate, localMs: number): void {
    this.#later(candidate, "timer", localMs, () => {
      this.#apply(candidate, { kind: "tick" });
      if (candidate.clock(this.#agenda.now) - candidate.lastReadAt >= readEveryMs) this.#read(candidate);
      // PostgreSQL's floor is learnt now and then.
      if (this.#random.chance(5)) candidate.termFloor = this.#fence?.term ?? 0;
      this.#tickIn(candidate, tickMs);
    });
  }

  /** Runs `run` in the candidate's process after a time on its own clock. */
  #later(candidate: SimulatedCandidate, lane: Lane, localMs: number, run: () => void): void {
    this.#deliver(candidate, lane, this.#agenda.now + localMs / candidate.rate, run);
  }

  #deliver(candidate: SimulatedCandidate, lane: Lane, at: number, run: () => void): void {
    const { incarnation } = candidate;
    const inTurn = () => {
      if (candidate.incarnation === incarnation) run();
    };
    this.#agenda.at(at, () => {
      if (candidate.incarnation === incarnation) candidate.process(lane, inTurn);
    });
  }

  #apply(candidate: SimulatedCandidate, event: ElectionEvent): void {
    const now = candidate.clock(this.#agenda.now);
    if (event.kind === "observed" && event.seen !== undefined) this.#referee.sees(candidate, event.seen);
    const { state, actions } = this.rules.step(candidate.state, event, {
      role: "simulated",
      me: candidate.me,
      timing: this.scenario.timing,
      termFloor: candidate.termFloor,
      isEligible: candidate.isEligible,
      now,
      wallClock: 0,
      nextSwap: candidate.swaps + 1,
    });
    candidate.state = state;
    for (const action of actions) this.#carryOut(candidate, action, now);
    this.#afterTurn(candidate);
  }

  #carryOut(candidate: SimulatedCandidate, action: ElectionAction, now: number): void {
    switch (action.kind) {
      case "swap":
        candidate.swaps = action.id;
        if (state(candidate) === "acquiring") candidate.trying = { term: action.lease.term, startedAt: now };
        this.#referee.tries(candidate, action.expectedRevision, action.lease);
        this.#swap(candidate, action.id, action.expectedRevision, action.lease);
        break;
      case "read":
        this.#read(candidate);
        break;
      case "lead":
        this.#referee.leads(candidate, action.held);
        break;
      case "lose":
      case "released":
        break;
    }
  }

  #afterTurn(candidate: SimulatedCandidate): void {
    const { now } = this.#agenda;
    this.#referee.checkTurn(candidate, now);
    if (candidate.state.kind !== "leading" || !this.#referee.acts(candidate, now)) return;
    if (!this.#random.chance(40)) return;
    const effect = { term: candidate.state.held.lease.term, incarnation: candidate.me.incarnation };
    this.#agenda.at(this.#arrival(), () => this.#receive(effect));
  }

  /** As `commitTerm` and `fencedWrite` do: the first of a term commits it, each other compares it. */
  #receive(effect: Effect): void {
    const { isFenced } = this.rules;
    if (isFenced && this.#fence !== undefined) {
      const isStale =
        effect.term < this.#fence.term ||
        (effect.term === this.#fence.term && effect.incarnation !== this.#fence.incarnation);
      if (isStale) {
        this.#effectsRefused += 1;
        return;
      }
    }
    this.#fence = effect;
    this.#effectsAccepted += 1;
    this.#referee.accepted(effect);
  }

  // The store and the way to it

  #swap(candidate: SimulatedCandidate, id: number, expectedRevision: number, next: Lease): void {
    let isSettled = false;
    const settle = (event: ElectionEvent) => {
      if (isSettled) return;
      isSettled = true;
      this.#apply(candidate, event);
    };
    this.#later(candidate, "timer", this.scenario.timing.swapTimeoutMs, () =>
      settle({ kind: "swap-unknown", swap: id }),
    );
    const { loseNext: lose, delayNextMs, onNextSwap } = candidate;
    candidate.loseNext = undefined;
    candidate.delayNextMs = 0;
    candidate.onNextSwap = undefined;
    const copies = this.#random.chance(this.#weather.doubled) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (lose === "request" || this.#isLost(candidate.requestsCutUntil)) continue;
      this.#agenda.at(this.#arrival(), () => {
        if (this.#agenda.now < this.#storeAwayUntil) return;
        const result = this.#store.swapNow(expectedRevision, next);
        if (result.kind === "swapped") this.#spread();
        if (lose === "answer" || this.#isLost(candidate.answersCutUntil)) return;
        this.#deliver(candidate, "message", this.#arrival(delayNextMs), () =>
          settle(
            result.kind === "swapped"
              ? { kind: "swapped", swap: id, revision: result.revision }
              : { kind: "swap-refused", swap: id },
          ),
        );
      });
    }
    onNextSwap?.();
  }

  #spread(): void {
    const present = this.#store.peek() as SeenLease;
    this.#stored.push(present);
    this.#referee.stored(present.lease);
    for (const candidate of this.#candidates) if (candidate.isAlive) this.#showTo(candidate, present);
  }

  #showTo(candidate: SimulatedCandidate, seen: SeenLease): void {
    if (this.#isLost(candidate.answersCutUntil)) return;
    this.#deliver(candidate, "message", this.#arrival(), () => this.#apply(candidate, { kind: "observed", seen }));
  }

  #read(candidate: SimulatedCandidate): void {
    if (candidate.isReading) return;
    candidate.isReading = true;
    this.#tryToRead(candidate);
  }

  #tryToRead(candidate: SimulatedCandidate): void {
    const isLost =
      this.#isLost(candidate.requestsCutUntil) ||
      this.#isLost(candidate.answersCutUntil) ||
      (this.#agenda.now < this.#storeAwayUntil && this.#random.chance(50));
    if (isLost) {
      this.#later(candidate, "timer", readTimeoutMs + readAgainMs, () => this.#tryToRead(candidate));
      return;
    }
    this.#agenda.at(this.#arrival(), () => {
      const seen = this.#entryAsRead();
      this.#deliver(candidate, "message", this.#arrival(), () => {
        candidate.isReading = false;
        candidate.lastReadAt = candidate.clock(this.#agenda.now);
        this.#apply(candidate, { kind: "observed", seen });
      });
    });
  }

  /** A read may come from a replica that lags behind. */
  #entryAsRead(): SeenLease | undefined {
    if (!this.#random.chance(this.#weather.stale)) return this.#store.peek();
    return this.#stored[this.#random.index(this.#stored.length + 1) - 1];
  }

  get #weather(): Scenario["weather"] {
    return this.#isCalm ? fair : this.scenario.weather;
  }

  #isLost(cutUntil: number): boolean {
    const isLost = this.#agenda.now < cutUntil || this.#random.chance(this.#weather.lost);
    if (isLost) this.#lostMessages += 1;
    return isLost;
  }

  /** When a message sent now arrives. */
  #arrival(delayMs = 0): number {
    const { now } = this.#agenda;
    const isOnTime = delayMs === 0 && !this.#random.chance(this.#weather.late);
    if (this.#isCalm || isOnTime) return now + this.#random.between(1, 20);
    const late = now + (delayMs || this.#random.between(20, this.#random.chance(10) ? 20_000 : 3_000));
    return Math.min(late, this.scenario.stormMs + settleMs);
  }

  // Faults

  #strike({ kind, forMs, target, variant }: Fault): void {
    const { now } = this.#agenda;
    const leader = this.#candidates.find((one) => this.#referee.acts(one, now));
    const one = this.#candidates[target % this.#candidates.length] as SimulatedCandidate;
    const candidate = target % 2 === 0 ? (leader ?? one) : one;
    const until = Math.min(now + forMs, this.scenario.stormMs);
    this.#faultsInEffect += candidate.isAlive ? 1 : 0;
    switch (kind) {
      case "pause":
        this.#pause(candidate, until, variant);
        break;
      case "pause-in-swap":
        candidate.onNextSwap = () => this.#pause(candidate, this.#agenda.now + forMs, variant);
        break;
      case "kill":
        if (!candidate.isAlive) return;
        this.#hintAt(candidate, variant);
        candidate.end();
        this.#referee.ended(candidate);
        this.#deliverTo(candidate, until, () => this.#begin(candidate));
        break;
      case "late-answer":
        candidate.delayNextMs = 1_000 + (forMs % 3_000);
        candidate.onNextSwap = () => {
          this.#hintAt(candidate, variant);
          if (variant % 2 === 0) candidate.requestsCutUntil = this.#agenda.now + forMs;
        };
        break;
      case "cut-requests":
        candidate.requestsCutUntil = Math.max(candidate.requestsCutUntil, until);
        break;
      case "cut-answers":
        candidate.answersCutUntil = Math.max(candidate.answersCutUntil, until);
        break;
      case "store-outage":
        this.#storeAwayUntil = Math.max(this.#storeAwayUntil, until);
        break;
      case "release":
        if (leader === undefined) return;
        leader.loseNext = ([undefined, "request", "answer"] as const)[variant % 3];
        this.#apply(leader, { kind: "release", to: variant % 2 === 0 ? one.id : undefined });
        break;
      case "hint":
        if (candidate.isAlive && !candidate.isPaused) this.#hint(candidate, variant);
        break;
      case "ineligible":
        candidate.isEligible = false;
        this.#agenda.at(until, () => {
          candidate.isEligible = true;
        });
        break;
    }
  }

  #pause(candidate: SimulatedCandidate, until: number, variant: number): void {
    if (!candidate.isAlive || candidate.isPaused) return;
    candidate.pause(this.#agenda.now);
    this.#hintAt(candidate, variant);
    const end = Math.min(until, this.scenario.stormMs);
    this.#deliverTo(candidate, end, () => candidate.isPaused && this.#resume(candidate, variant));
  }

  /** Something that befalls the incarnation that lives now, paused or not. */
  #deliverTo(candidate: SimulatedCandidate, at: number, run: () => void): void {
    const { incarnation } = candidate;
    this.#agenda.at(at, () => {
      if (candidate.incarnation === incarnation) run();
    });
  }

  #resume(candidate: SimulatedCandidate, variant: number): void {
    const waiting = candidate.resume((["arrival", "message", "timer"] as const)[variant % 3] ?? "arrival");
    this.#referee.resumed(candidate, this.#agenda.now);
    this.#afterTurn(candidate); // A handler that was half-way goes on before any event.
    for (const run of waiting) run();
  }

  /** The others notice that a candidate answers no more. */
  #hintAt(gone: SimulatedCandidate, variant: number): void {
    if (!this.scenario.hints || variant % 4 === 0) return;
    for (const other of this.#candidates) {
      if (other === gone || !other.isAlive) continue;
      this.#deliver(other, "message", this.#agenda.now + this.#random.between(20, 1_200), () =>
        this.#hint(other, variant, gone.me.incarnation),
      );
    }
  }

  #hint(observer: SimulatedCandidate, variant: number, about?: string): void {
    if (!this.scenario.hints) return;
    const { state } = observer;
    const holder = about ?? ("seen" in state ? state.seen?.lease.holder.incarnation : undefined);
    if (holder === undefined) return;
    const evidence = [{ kind: "no-responders", at: 0, observer: observer.id } as const];
    this.#apply(observer, { kind: "hint", holder, evidence });
    if (variant % 5 === 0) {
      this.#later(observer, "timer", 50, () => this.#apply(observer, { kind: "holder-alive", holder }));
    }
  }

  // After the storm

  #calm(): void {
    this.#isCalm = true;
    this.#storeAwayUntil = 0;
    for (const candidate of this.#candidates) {
      candidate.requestsCutUntil = 0;
      candidate.answersCutUntil = 0;
      candidate.isEligible = true;
      candidate.loseNext = undefined;
      candidate.delayNextMs = 0;
      candidate.onNextSwap = undefined;
      if (candidate.isPaused) this.#resume(candidate, this.scenario.seed);
    }
    if (this.#candidates.some(({ isAlive }) => isAlive)) return;
    this.#begin(this.#candidates[0] as SimulatedCandidate);
  }

  #expectToStay(leader: SimulatedCandidate, forMs: number): void {
    const { state, me } = leader;
    const term = state.kind === "leading" ? state.held.lease.term : 0;
    const end = this.#agenda.now + forMs;
    while (this.#agenda.now < end) {
      this.#agenda.runUntil(this.#agenda.now + tickMs);
      const present = this.#referee.onlyLeader(this.#agenda.now, "e", "while nothing happens");
      const held = present.state.kind === "leading" ? present.state.held.lease.term : 0;
      if (present !== leader || held !== term) {
        throw new ElectionViolation("e", `${me.incarnation} lost its lead in calm: term ${term} became ${held}`);
      }
    }
  }

  #handOver(leader: SimulatedCandidate): void {
    const others = this.#candidates.filter((candidate) => candidate !== leader && candidate.isAlive);
    const meant = others[this.#random.index(others.length)];
    const terms = this.#referee.termsGained;
    leader.loseNext = ([undefined, "request", "answer"] as const)[this.#random.index(3)];
    const isAddressed = meant !== undefined && this.#random.chance(70);
    this.#apply(leader, { kind: "release", to: isAddressed ? meant.id : undefined });
    this.#agenda.runUntil(this.#agenda.now + this.scenario.timing.swapTimeoutMs / slowestRate + handOverMarginMs);
    const next = this.#referee.onlyLeader(this.#agenda.now, "f", "after a hand-over");
    if (meant !== undefined && (isAddressed ? next !== meant : next === leader)) {
      throw new ElectionViolation("f", `the lease meant for ${meant.id} went to ${next.id}`);
    }
    if (this.#referee.termsGained !== terms + 1)
      throw new ElectionViolation("f", "a hand-over took more than one term");
    this.#expectToStay(next, 4_000);
  }
}

const fair: Scenario["weather"] = { lost: 0, doubled: 0, late: 0, stale: 0 };
// Read apart from the narrowing of the caller: an action may come with a state of another kind.
const state = (candidate: SimulatedCandidate): string => candidate.state.kind;
