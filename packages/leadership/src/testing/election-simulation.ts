/**
 * A whole election in simulated time: candidates with clocks of different speed, a store, a network that delays,
 * loses, doubles and reorders, processes that pause and die. Candidates are driven as `Elector` drives the core.
 *
 * First the storm of the scenario, then calm: everything heals, and one leader must emerge, hold, and hand over when
 * told. `ElectionReferee` says what must hold. The same scenario always runs the same way.
 */
import type { ElectionAction, ElectionEvent } from "../election-state.ts";
import type { SeenLease } from "../lease.ts";
import { Agenda } from "./agenda.ts";
import { ElectionReferee, ElectionViolation, type Effect } from "./election-referee.ts";
import { trueRules, type ElectionRules, type Fault, type Scenario } from "./election-scenario.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedCandidate } from "./simulated-candidate.ts";
import { settleMs, SimulatedNetwork } from "./simulated-network.ts";

const tickMs = 250;
const readEveryMs = 2_000;
const slowestRate = 0.92;
const fastestRate = 1.08;
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
  readonly #network: SimulatedNetwork;
  readonly #candidates: SimulatedCandidate[];
  readonly #referee: ElectionReferee;
  #fence: Effect | undefined;
  #faultsInEffect = 0;
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
          this.#agenda,
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
    this.#network = new SimulatedNetwork(this.#agenda, this.#random, scenario, (seen) => {
      this.#referee.stored(seen.lease);
      for (const candidate of this.#candidates) if (candidate.isAlive) this.#show(candidate, seen);
    });
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
      lostMessages: this.#network.lostMessages,
      effectsAccepted: this.#effectsAccepted,
      effectsRefused: this.#effectsRefused,
      events: this.#agenda.done,
    };
  }

  // The candidates' processes

  #begin(candidate: SimulatedCandidate): void {
    candidate.begin(this.#agenda.now);
    const { present } = this.#network;
    if (present !== undefined) this.#show(candidate, present);
    this.#read(candidate);
    this.#tickIn(candidate, candidate.rate * this.#random.between(0, tickMs));
  }

  #tickIn(candidate: SimulatedCandidate, localMs: number): void {
    candidate.later("timer", localMs, () => {
      this.#apply(candidate, { kind: "tick" });
      if (candidate.clock(this.#agenda.now) - candidate.lastReadAt >= readEveryMs) this.#read(candidate);
      // PostgreSQL's floor is learnt now and then.
      if (this.#random.chance(5)) candidate.termFloor = this.#fence?.term ?? 0;
      this.#tickIn(candidate, tickMs);
    });
  }

  #show(candidate: SimulatedCandidate, seen: SeenLease): void {
    this.#network.show(candidate, () => this.#apply(candidate, { kind: "observed", seen }));
  }

  #read(candidate: SimulatedCandidate): void {
    if (candidate.isReading) return;
    candidate.isReading = true;
    this.#network.read(candidate, (seen) => {
      candidate.isReading = false;
      candidate.lastReadAt = candidate.clock(this.#agenda.now);
      this.#apply(candidate, { kind: "observed", seen });
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
      isEligible: () => candidate.isEligible,
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
        this.#network.swap(candidate, action.expectedRevision, action.lease, (result) => {
          if (result.kind === "swapped") {
            this.#apply(candidate, { kind: "swapped", swap: action.id, revision: result.revision });
          } else {
            const kind = result.kind === "refused" ? "swap-refused" : "swap-unknown";
            this.#apply(candidate, { kind, swap: action.id });
          }
        });
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
    this.#agenda.at(this.#network.arrival(), () => this.#receive(effect));
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
        candidate.nextSwap = { onSent: () => this.#pause(candidate, this.#agenda.now + forMs, variant) };
        break;
      case "kill":
        if (!candidate.isAlive) return;
        this.#hintAt(candidate, variant);
        candidate.end();
        this.#referee.ended(candidate);
        candidate.befalls(until, () => this.#begin(candidate));
        break;
      case "late-answer":
        candidate.nextSwap = {
          delayMs: 1_000 + (forMs % 3_000),
          onSent: () => {
            this.#hintAt(candidate, variant);
            if (variant % 2 === 0) candidate.requestsCutUntil = this.#agenda.now + forMs;
          },
        };
        break;
      case "cut-requests":
        candidate.requestsCutUntil = Math.max(candidate.requestsCutUntil, until);
        break;
      case "cut-answers":
        candidate.answersCutUntil = Math.max(candidate.answersCutUntil, until);
        break;
      case "store-outage":
        this.#network.storeAwayUntil = Math.max(this.#network.storeAwayUntil, until);
        break;
      case "release":
        if (leader === undefined) return;
        leader.nextSwap = { lose: ([undefined, "request", "answer"] as const)[variant % 3] };
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
    candidate.befalls(end, () => candidate.isPaused && this.#resume(candidate, variant));
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
      other.deliver("message", this.#agenda.now + this.#random.between(20, 1_200), () =>
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
      observer.later("timer", 50, () => this.#apply(observer, { kind: "holder-alive", holder }));
    }
  }

  // After the storm

  #calm(): void {
    this.#network.calm();
    for (const candidate of this.#candidates) {
      candidate.requestsCutUntil = 0;
      candidate.answersCutUntil = 0;
      candidate.isEligible = true;
      candidate.nextSwap = {};
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
    leader.nextSwap = { lose: ([undefined, "request", "answer"] as const)[this.#random.index(3)] };
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

// Read apart from the narrowing of the caller: an action may come with a state of another kind.
const state = (candidate: SimulatedCandidate): string => candidate.state.kind;
