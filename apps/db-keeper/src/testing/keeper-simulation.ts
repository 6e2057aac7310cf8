/**
 * Keepers, their PostgreSQL instances, a lease store and the network between them, in simulated time.
 *
 * The decisions are the real ones (`keeperStep`, `entry-rules`, the election's core); their effects are played here as
 * `Keeper` and `PostgresInstance` carry them out, with random durations, and a kill may fall between any two. Messages
 * to and from the store are delayed, lost, doubled and reordered; keepers, servers and machines are paused and killed;
 * replication is cut; a data folder comes back as it was before the last change of timeline.
 */
import type { DatabaseEntry, DatabasePolicy, Evidence } from "@understudy/contracts";
import type { SynchronousStandbys } from "@understudy/engines";
import {
  electionStep,
  initialState,
  mayAct,
  standardTiming,
  type ElectionEvent,
  type ElectionState,
  type Lease,
  type SeenLease,
} from "@understudy/leadership";
import { Agenda, InMemoryLeaseStore, SeededRandom } from "@understudy/leadership/testing";
import {
  entryOnTaking,
  isCandidate,
  mayTake,
  needsConfirmations,
  opened,
  synchronousOf,
  withoutStandby,
  withStandby,
  withSynchronous,
  type Candidate,
  type SeenEntry,
} from "../decision/entry-rules.ts";
import { standardKeeperTiming, type KeeperFacts, type PostgresFacts } from "../decision/facts.ts";
import { keeperStep, type KeeperPlan } from "../decision/keeper-step.ts";
import type { Confirmation } from "../decision/promotion-quorum.ts";
import { leaseFacts, seenEntry } from "../keeper/lease-view.ts";
import { RedundancyWatch } from "../postgres/redundancy-watch.ts";
import { KeeperReferee, KeeperViolation } from "./keeper-referee.ts";
import { Disk, Server } from "./simulated-postgres.ts";

export const faultKinds = [
  "kill-postgres",
  "kill-keeper",
  "kill-all",
  "pause-keeper",
  "pause-machine",
  "pause-postgres",
  "cut-store",
  "cut-replication",
  "false-hint",
  "restore-old-data",
] as const;
export type FaultKind = (typeof faultKinds)[number] | "restore-counted-data";

export interface Scenario {
  readonly seed: number;
  readonly members: number;
  readonly policy: DatabasePolicy;
  /** Commits wait for so many of the standbys (ANY k); 0: for all. */
  readonly synchronousMost: number;
  readonly stormMs: number;
  readonly lostPercent: number;
  readonly doubledPercent: number;
  readonly latePercent: number;
  readonly faults: readonly {
    readonly kind: FaultKind;
    readonly atPercent: number;
    readonly forMs: number;
    readonly target: number;
  }[];
}

/** What decides; a planted bug replaces a part. */
export interface Rules {
  readonly mayTake: typeof mayTake;
  readonly entryOnTaking: typeof entryOnTaking;
  readonly step: typeof keeperStep;
}
export const trueRules: Rules = { mayTake, entryOnTaking, step: keeperStep };

export interface SimulationReport {
  readonly acknowledged: number;
  readonly promotions: number;
  readonly restarts: number;
  readonly removals: number;
  readonly joins: number;
  readonly clones: number;
  /** Promotions that needed the word of other standbys. */
  readonly quorums: number;
  readonly fenced: number;
  readonly faults: number;
}

const database = "shop";
const calmMs = 60_000;
// A real one ticks and looks every 100 ms; half as often shows the same in half the time.
const tickMs = 200;

class Machine {
  readonly disk = new Disk();
  /** As it was before the last change of its timeline. */
  older: Disk | undefined;
  server: Server | undefined;
  end: "none" | "ordered" | "crash" = "none";
  streamingAtEnd: readonly string[] = [];
  incarnation = 0;
  isKeeperAlive = false;
  keeperPausedUntil = 0;
  serverPausedUntil = 0;
  storeCutUntil = 0;
  replicationCutUntil = 0;
  election: ElectionState = initialState(0);
  swaps = 0;
  isReading = false;
  isBusy = false;
  isPrepared = false;
  isStepDue = false;
  primaryTerm = 0;
  unledSince: number | undefined;
  redundancy: RedundancyWatch;
  unansweredMs = 0;
  streamedAt = 0;
  comparison: { key: string; result: boolean } | undefined;
  contentWanted = 0;
  /** Outlives the keeper's process. */
  stoppedAt: number | undefined;
  confirmations: Confirmation[] = [];
  askedAt = -Infinity;
  afterChange: { version: number; term: number; done: () => void } | undefined;

  constructor(
    readonly member: string,
    readonly others: readonly string[],
  ) {
    this.redundancy = new RedundancyWatch(others);
  }

  get me() {
    return { id: `keeper-${this.member}`, incarnation: `${this.member}:${this.incarnation}`, machine: this.member };
  }
}

export class KeeperSimulation {
  readonly #agenda = new Agenda();
  readonly #random: SeededRandom;
  readonly #store = new InMemoryLeaseStore();
  readonly #referee = new KeeperReferee();
  readonly #machines: Machine[];
  readonly #members: readonly string[];
  #isCalm = false;
  #records = 0;
  readonly #report = { promotions: 0, restarts: 0, removals: 0, joins: 0, clones: 0, quorums: 0, fenced: 0, faults: 0 };
  #committedInCalm = 0;
  #mayStall = false;

  constructor(
    private readonly scenario: Scenario,
    private readonly rules: Rules = trueRules,
    /** Told each step, term and fault, to understand a storm. */
    private readonly trace: (line: string) => void = () => undefined,
  ) {
    this.#random = new SeededRandom(scenario.seed);
    this.#members = Array.from({ length: scenario.members }, (_, index) => "abcdef"[index] ?? "x");
    this.#machines = this.#members.map(
      (member) =>
        new Machine(
          member,
          this.#members.filter((other) => other !== member),
        ),
    );
  }

  run(): SimulationReport {
    const { stormMs, faults } = this.scenario;
    for (const machine of this.#machines) {
      this.#startKeeper(machine);
      this.#every(30, 100, () => this.#replicate(machine));
      this.#every(40, 200, () => this.#client(machine));
    }
    for (const fault of faults) this.#agenda.at((fault.atPercent / 100) * stormMs, () => this.#befall(fault));
    this.#agenda.at(stormMs, () => this.#calm());
    this.#agenda.runUntil(stormMs);
    for (let end = stormMs; end < stormMs + calmMs && !this.#isWhole; end += 500) this.#agenda.runUntil(end + 500);
    this.#judge();
    return { ...this.#report, acknowledged: this.#referee.acknowledged };
  }

  get #now(): number {
    return this.#agenda.now;
  }

  #every(least: number, most: number, run: () => void): void {
    const again = () => {
      run();
      this.#agenda.at(this.#now + this.#random.between(least, most), again);
    };
    this.#agenda.at(this.#random.between(0, most), again);
  }

  // --- the network to the store -----------------------------------------------------------------------------------

  #delay(): number {
    if (!this.#isCalm && this.#random.chance(this.scenario.latePercent)) return this.#random.between(20, 3_000);
    return this.#random.between(1, 15);
  }

  #isLost({ storeCutUntil }: Machine): boolean {
    return this.#now < storeCutUntil || (!this.#isCalm && this.#random.chance(this.scenario.lostPercent));
  }

  /** Runs in that keeper's process, after its pause; not at all when it was killed before. */
  #inKeeper(machine: Machine, at: number, run: () => void): void {
    const { incarnation } = machine;
    this.#agenda.at(at, () => {
      if (machine.incarnation !== incarnation || !machine.isKeeperAlive) return;
      if (this.#now < machine.keeperPausedUntil)
        this.#inKeeper(machine, machine.keeperPausedUntil + this.#random.between(0, 5), run);
      else run();
    });
  }

  #swap(machine: Machine, id: number, expectedRevision: number, next: Lease): void {
    let isSettled = false;
    const settle = (event: ElectionEvent) => {
      if (isSettled) return;
      isSettled = true;
      this.#elect(machine, event);
    };
    this.#inKeeper(machine, this.#now + standardTiming.swapTimeoutMs, () => settle({ kind: "swap-unknown", swap: id }));
    // The answer goes to the process that asked.
    const { incarnation } = machine;
    const copies = !this.#isCalm && this.#random.chance(this.scenario.doubledPercent) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#isLost(machine)) continue;
      this.#agenda.at(this.#now + this.#delay(), () => {
        const result = this.#store.swapNow(expectedRevision, next);
        if (result.kind === "swapped") for (const each of this.#machines) this.#show(each);
        if (this.#isLost(machine) || machine.incarnation !== incarnation) return;
        this.#inKeeper(machine, this.#now + this.#delay(), () =>
          settle(
            result.kind === "swapped"
              ? { kind: "swapped", swap: id, revision: result.revision }
              : { kind: "swap-refused", swap: id },
          ),
        );
      });
    }
  }

  #show(machine: Machine): void {
    const seen = this.#store.peek();
    if (!this.#isLost(machine))
      this.#inKeeper(machine, this.#now + this.#delay(), () => this.#elect(machine, { kind: "observed", seen }));
  }

  #read(machine: Machine): void {
    if (machine.isReading) return;
    machine.isReading = true;
    const ask = () => {
      if (this.#isLost(machine)) return this.#inKeeper(machine, this.#now + 500, ask);
      const seen = this.#store.peek();
      this.#inKeeper(machine, this.#now + this.#delay(), () => {
        machine.isReading = false;
        this.#elect(machine, { kind: "observed", seen });
      });
    };
    ask();
  }

  // --- the election, as Elector runs it ---------------------------------------------------------------------------

  #elect(machine: Machine, event: ElectionEvent): void {
    const { state, actions } = electionStep(machine.election, event, {
      role: `database-${database}`,
      me: machine.me,
      timing: standardTiming,
      termFloor: 0,
      isEligible: (seen) => this.#isEligible(machine, seenEntry(seen, machine.me, database)),
      contentFor: (seen) => {
        const found = seenEntry(seen, machine.me, database);
        return this.rules.entryOnTaking(
          found === "foreign" ? undefined : found,
          this.#candidate(machine),
          database,
          this.#now,
        );
      },
      now: this.#now,
      wallClock: this.#now,
      nextSwap: machine.swaps + 1,
    });
    machine.election = state;
    for (const action of actions) {
      if (action.kind === "swap") {
        machine.swaps = action.id;
        this.#swap(machine, action.id, action.expectedRevision, action.lease);
      } else if (action.kind === "read") {
        this.#inKeeper(machine, this.#now + 25, () => this.#read(machine));
      } else if (action.kind === "lead") {
        machine.unledSince = undefined;
        this.#tell(machine, `leads ${JSON.stringify(action.held.lease.content)}`);
        if (machine.server?.isAnswering === true && machine.server.role === "primary")
          machine.primaryTerm = action.held.lease.term;
      } else if (action.kind === "lose") {
        machine.unledSince = this.#now;
      }
    }
    this.#settleChange(machine);
    this.#wake(machine);
  }

  #isEligible(machine: Machine, seen: SeenEntry | "foreign" | undefined): boolean {
    const candidate = this.#candidate(machine);
    const needsOthers = needsConfirmations(seen, candidate);
    if (this.rules.mayTake(seen, candidate)) {
      if (needsOthers) this.#report.quorums += 1;
      return true;
    }
    if (needsOthers && isCandidate(seen, candidate)) this.#gather(machine, seen);
    return false;
  }

  /** As `Confirmations` does it: the own promise first, then those of the others. */
  #gather(machine: Machine, { entry, revision, isReleased }: SeenEntry): void {
    if (this.#now - machine.askedAt < 100) return;
    machine.askedAt = this.#now;
    const keep = (confirmation: Confirmation) => {
      machine.confirmations = [...machine.confirmations.filter((each) => each.revision === revision), confirmation];
      this.#elect(machine, { kind: "tick" });
    };
    for (const other of this.#machines) {
      if (!entry.inSync.includes(other.member) || other.member === entry.primary) continue;
      if (other === machine) this.#confirm(machine, revision, isReleased, keep);
      else if (!this.#isLost(machine) && !this.#isLost(other))
        this.#inKeeper(other, this.#now + this.#delay(), () =>
          this.#confirm(other, revision, isReleased, (confirmation) => {
            if (!this.#isLost(machine) && !this.#isLost(other))
              this.#inKeeper(machine, this.#now + this.#delay(), () => keep(confirmation));
          }),
        );
    }
  }

  #confirm(
    machine: Machine,
    revision: number,
    isReleased: boolean,
    answer: (confirmation: Confirmation) => void,
  ): void {
    const { server, member, disk } = machine;
    if ((this.#seen(machine)?.revision ?? 0) > revision) return;
    if (server?.isAnswering !== true || server.role !== "standby" || server.isPromoting) return;
    if (!isReleased && this.#random.chance(50) && this.#streamsFrom(machine) !== undefined) return;
    machine.stoppedAt = Math.max(machine.stoppedAt ?? 0, revision);
    // The server takes a moment to hear of it; the answer is given when it has.
    this.#inKeeper(machine, this.#now + this.#random.between(1, 30), () => {
      if (machine.server !== server || this.#now < machine.serverPausedUntil || server.isPromoting) return;
      server.upstream = undefined;
      answer({ member, revision, timeline: disk.timeline, flushedAt: BigInt(disk.log.length) });
    });
  }

  #seen({ election }: Machine): SeenLease | undefined {
    if (election.kind === "following" || election.kind === "acquiring") return election.seen;
    return election.kind === "stopped" ? undefined : election.held;
  }

  #candidate(machine: Machine): Candidate {
    const { server, disk, member } = machine;
    return {
      member,
      members: this.#members,
      policy: this.scenario.policy,
      data: disk.data,
      runsAs: server?.isAnswering === true && !server.isPromoting ? server.role : "nothing",
      isFit: machine.unansweredMs < standardKeeperTiming.frozenMs,
      // Not always noticed, so that takeovers on false hints are tried as well.
      hearsFrom: this.#random.chance(50) ? this.#streamsFrom(machine)?.member : undefined,
      timelinesOfOthers: Object.fromEntries(
        this.#machines.filter((other) => other !== machine).map((other) => [other.member, other.disk.timeline]),
      ),
      confirmations: machine.confirmations,
    };
  }

  #change(
    machine: Machine,
    update: (entry: DatabaseEntry) => DatabaseEntry,
    done: (entry: DatabaseEntry) => void,
  ): void {
    const { election } = machine;
    if (election.kind !== "leading") return this.#finish(machine);
    const { lease } = election.held;
    const content = update(lease.content as DatabaseEntry);
    machine.afterChange = {
      version: (lease.contentVersion ?? 0) + 1,
      term: lease.term,
      done: () => {
        done(content);
        this.#finish(machine);
      },
    };
    this.#elect(machine, { kind: "change", content, version: machine.afterChange.version });
  }

  #settleChange(machine: Machine): void {
    const { afterChange, election } = machine;
    if (afterChange === undefined) return;
    if (election.kind !== "leading" || election.held.lease.term !== afterChange.term) {
      machine.afterChange = undefined;
      return this.#finish(machine);
    }
    if ((election.held.lease.contentVersion ?? 0) < afterChange.version) return;
    machine.afterChange = undefined;
    afterChange.done();
  }

  // --- the keeper, as Keeper runs it -------------------------------------------------------------------------------

  #startKeeper(machine: Machine): void {
    machine.incarnation += 1;
    machine.isKeeperAlive = true;
    machine.keeperPausedUntil = 0;
    machine.election = initialState(this.#now);
    machine.swaps = 0;
    machine.isReading = false;
    machine.isBusy = false;
    machine.isPrepared = false;
    machine.isStepDue = false;
    machine.primaryTerm = 0;
    machine.unledSince = undefined;
    machine.end = "none";
    machine.streamingAtEnd = [];
    machine.unansweredMs = 0;
    machine.comparison = undefined;
    machine.afterChange = undefined;
    machine.confirmations = [];
    machine.askedAt = -Infinity;
    const tick = () => {
      this.#look(machine);
      this.#elect(machine, { kind: "tick" });
      this.#hint(machine);
      if (this.#random.chance(5)) this.#read(machine);
      this.#inKeeper(machine, this.#now + tickMs, tick);
    };
    this.#read(machine);
    this.#inKeeper(machine, this.#now + this.#random.between(0, tickMs), tick);
  }

  /** What probes would find: the holder's process is gone, or does not answer. */
  #hint(machine: Machine): void {
    const holder = this.#seen(machine)?.lease.holder;
    if (holder === undefined || holder.incarnation === machine.me.incarnation) return;
    const other = this.#machines.find((each) => each.me.id === holder.id);
    if (other === undefined || this.#now < machine.storeCutUntil) return;
    const isGone =
      other.me.incarnation !== holder.incarnation ||
      !other.isKeeperAlive ||
      this.#now < other.storeCutUntil ||
      this.#now < other.keeperPausedUntil;
    if (isGone && this.#random.chance(30)) this.#accuse(machine, holder.incarnation);
  }

  #accuse(machine: Machine, holder: string): void {
    const evidence: Evidence[] = [{ kind: "no-responders", at: this.#now, observer: machine.me.id }];
    this.#elect(machine, { kind: "hint", holder, evidence });
  }

  #look(machine: Machine): void {
    const { server } = machine;
    if (server === undefined) return;
    if (this.#now < machine.serverPausedUntil) {
      machine.unansweredMs += tickMs;
      return;
    }
    machine.unansweredMs = 0;
    if (!server.isAnswering) return;
    if (server.role === "primary")
      machine.redundancy.look(
        [...server.connected].map((member) => ({
          member,
          state: "streaming",
          syncState: server.inForce.standbys.includes(member) ? "quorum" : "async",
          flushedAt: BigInt(server.flushed.get(member) ?? 0),
          repliedAt:
            this.#isLinked(this.#machine(member), machine) && this.#now >= this.#machine(member).serverPausedUntil
              ? String(this.#now)
              : "",
        })),
        this.#now,
      );
    else if (this.#streamsFrom(machine) !== undefined) machine.streamedAt = this.#now;
  }

  #postgresFacts(machine: Machine): PostgresFacts {
    const { server, disk } = machine;
    if (server === undefined)
      return { kind: "stopped", end: machine.end, streamingAtEnd: machine.streamingAtEnd, failedStarts: 0 };
    if (!server.isAnswering) return { kind: "starting", role: server.role };
    return {
      kind: "running",
      role: server.role,
      isPromoting: server.isPromoting,
      timeline: disk.timeline,
      systemIdentifier: disk.systemIdentifier ?? "",
      unansweredMs: machine.unansweredMs,
      access: server.access,
      waitsFor: server.waitsFor,
      recoveredTo: BigInt(server.recoveredTo),
      standbys: machine.redundancy.standbys,
      missingMs: machine.redundancy.missingMs,
      joinPosition: server.joinPosition === undefined ? undefined : BigInt(server.joinPosition),
      upstream: server.upstream,
      notStreamingMs: this.#now - machine.streamedAt,
    };
  }

  #facts(machine: Machine): KeeperFacts {
    const { election, unledSince } = machine;
    const lease = leaseFacts(this.#seen(machine), machine.me, database);
    const isLeading = mayAct(election, this.#now, standardTiming);
    const key = `${lease?.entry.primary}/${lease?.entry.timeline}`;
    return {
      member: machine.member,
      members: this.#members,
      lease,
      isLeaseKnown: true,
      isLeading,
      unledMs: isLeading || unledSince === undefined ? 0 : this.#now - unledSince,
      primaryTerm: machine.primaryTerm,
      data: machine.disk.data,
      postgres: this.#postgresFacts(machine),
      isHeld: false,
      isPrepared: machine.isPrepared,
      synchronousMost: this.scenario.synchronousMost === 0 ? undefined : this.scenario.synchronousMost,
      stoppedAt: machine.stoppedAt,
      canFollow: machine.comparison?.key === key ? machine.comparison.result : undefined,
    };
  }

  #wake(machine: Machine): void {
    if (machine.isBusy) {
      // A step that waits must not keep an older term's primary alive.
      if (this.rules.step(this.#facts(machine), standardKeeperTiming).do === "kill") this.#kill(machine);
      return;
    }
    if (machine.isStepDue) return;
    machine.isStepDue = true;
    this.#inKeeper(machine, this.#now + this.#random.between(0, 5), () => {
      machine.isStepDue = false;
      if (machine.isBusy) return;
      const plan = this.rules.step(this.#facts(machine), standardKeeperTiming);
      if (plan.do === "nothing") return;
      machine.isBusy = true;
      this.#tell(machine, JSON.stringify(plan));
      this.#perform(machine, plan);
    });
  }

  #tell({ member, disk, server }: Machine, what: string): void {
    const role = server === undefined ? "stopped" : `${server.role}${server.isAnswering ? "" : " starting"}`;
    this.trace(`${Math.round(this.#now)} ${member} (${role}, ${disk.timeline}:${disk.log.length}) ${what}`);
  }

  #finish(machine: Machine): void {
    machine.isBusy = false;
    this.#wake(machine);
  }

  /** After some time the next part of a step; a kill may come between. */
  #then(machine: Machine, least: number, most: number, run: () => void): void {
    this.#inKeeper(machine, this.#now + this.#random.between(least, most), run);
  }

  #perform(machine: Machine, plan: Exclude<KeeperPlan, { do: "nothing" }>): void {
    const { disk, server } = machine;
    const finish = () => this.#finish(machine);
    const term = this.#seen(machine)?.lease.term ?? 0;
    switch (plan.do) {
      case "kill":
        this.#report.fenced += 1;
        this.#kill(machine);
        return this.#then(machine, 0, 10, finish);
      case "initialise":
        return this.#then(machine, 200, 900, () => {
          disk.systemIdentifier ??= `database-${machine.member}-${machine.incarnation}`;
          disk.timeline ||= 1;
          machine.isPrepared = true;
          finish();
        });
      case "start-primary":
        machine.primaryTerm = term;
        this.#report.restarts += 1;
        this.#launch(machine, new Server(disk, "primary", plan.access, plan.waitsFor, undefined));
        return this.#then(machine, 0, 5, finish);
      case "start-standby":
        if (plan.upstream !== undefined) disk.isStandby = true;
        this.#launch(machine, new Server(disk, "standby", "open", plan.waitsFor, plan.upstream));
        return this.#then(machine, 0, 5, finish);
      case "follow":
        if (server) server.upstream = plan.upstream;
        machine.streamedAt = this.#now;
        return this.#then(machine, 0, 5, finish);
      case "promote":
        machine.primaryTerm = term;
        return this.#promote(machine);
      case "clone":
        this.#kill(machine);
        this.#report.clones += 1;
        return this.#clone(machine, plan.from);
      case "compare-history":
        return this.#then(machine, 5, 50, () => {
          const { entry } = leaseFacts(this.#seen(machine), machine.me, database) ?? {};
          const source = this.#machine(plan.to);
          if (entry && source.server?.takesClients === true)
            machine.comparison = { key: `${entry.primary}/${entry.timeline}`, result: disk.isPartOf(source.disk) };
          finish();
        });
      case "open-clients":
        if (server) server.access = "open";
        return this.#then(machine, 0, 5, finish);
      case "set-waits":
        return this.#setWaits(machine, plan.waitsFor);
      case "record-open":
        return this.#change(
          machine,
          (entry) => opened(entry, plan.timeline, plan.systemIdentifier),
          () => this.#referee.opens(machine.member, term, plan.timeline),
        );
      case "record-timeline":
        return this.#change(
          machine,
          (entry) => ({ ...entry, timeline: plan.timeline }),
          () => undefined,
        );
      case "record-without":
        this.#report.removals += 1;
        return this.#change(
          machine,
          (entry) => withoutStandby(entry, plan.member, this.#now, plan.synchronous),
          () => undefined,
        );
      case "record-synchronous":
        return this.#change(
          machine,
          (entry) => withSynchronous(entry, plan.synchronous),
          () => undefined,
        );
      case "record-with":
        this.#report.joins += 1;
        return this.#change(
          machine,
          (entry) => withStandby(entry, plan.member),
          () => undefined,
        );
      case "hand-over":
        this.#elect(machine, { kind: "release", to: this.#machine(plan.to).me.id });
        return this.#then(machine, 5, 50, finish);
    }
  }

  #promote(machine: Machine): void {
    const { server } = machine;
    if (server === undefined) return this.#finish(machine);
    server.isPromoting = true;
    this.#agenda.at(this.#now + this.#random.between(20, 200), () => {
      if (machine.server !== server) return;
      machine.older = new Disk();
      machine.older.become(server.disk, true);
      server.promoted();
      this.#tell(machine, "is promoted");
      this.#report.promotions += 1;
      machine.redundancy = new RedundancyWatch(machine.others);
    });
    const look = () => {
      if (machine.server === server && server.isPromoting) return this.#then(machine, 2, 10, look);
      this.#finish(machine);
    };
    this.#then(machine, 2, 10, look);
  }

  #setWaits(machine: Machine, waitsFor: SynchronousStandbys): void {
    const { server } = machine;
    if (server === undefined) return this.#finish(machine);
    server.configured = waitsFor;
    const isFewer =
      server.waitsFor.count === server.waitsFor.standbys.length &&
      waitsFor.standbys.every((member) => server.waitsFor.standbys.includes(member)) &&
      waitsFor.count === waitsFor.standbys.length;
    const apply = (until: number) =>
      this.#agenda.at(this.#now + this.#random.between(0, until), () => {
        // Whoever reads its configuration late reads the newest.
        server.inForce = server.configured;
        server.release();
      });
    if (isFewer) {
      server.waitsFor = waitsFor;
      apply(20);
      return this.#then(machine, 0, 5, () => this.#finish(machine));
    }
    apply(30);
    this.#then(machine, 30, 200, () => {
      if (machine.server === server && this.#now >= machine.serverPausedUntil) {
        server.waitsFor = waitsFor;
        server.joinPosition = server.disk.log.length;
      }
      this.#finish(machine);
    });
  }

  #clone(machine: Machine, from: string): void {
    const source = this.#machine(from);
    this.#then(machine, 50, 800, () => {
      const { server } = source;
      if (
        server?.isAnswering === true &&
        server.role === "primary" &&
        this.#isLinked(machine, source) &&
        this.#now >= source.serverPausedUntil
      )
        machine.disk.become(server.disk, true);
      this.#finish(machine);
    });
  }

  // --- servers and what is between them ---------------------------------------------------------------------------

  #machine(member: string): Machine {
    return this.#machines.find((machine) => machine.member === member) as Machine;
  }

  #launch(machine: Machine, server: Server): void {
    machine.server = server;
    machine.streamedAt = this.#now;
    machine.redundancy = new RedundancyWatch(machine.others);
    this.#agenda.at(this.#now + this.#random.between(30, 300), () => {
      if (machine.server !== server) return;
      server.isAnswering = true;
      if (server.role === "primary") server.begins();
    });
  }

  #kill(machine: Machine): void {
    const { server } = machine;
    if (server === undefined) return;
    machine.server = undefined;
    machine.serverPausedUntil = 0;
    machine.unansweredMs = 0;
    machine.end = "crash";
    machine.streamingAtEnd =
      server.role === "primary" && server.isAnswering
        ? machine.redundancy.standbys.filter(({ isStreaming }) => isStreaming).map(({ member }) => member)
        : [];
    for (const other of this.#machines)
      this.#agenda.at(this.#now + this.#random.between(1, 20), () => {
        if (this.#isLinked(machine, other)) other.server?.connected.delete(machine.member);
      });
    this.#inKeeper(machine, this.#now + this.#random.between(0, 5), () => this.#wake(machine));
  }

  #isLinked(one: Machine, other: Machine): boolean {
    return this.#now >= one.replicationCutUntil && this.#now >= other.replicationCutUntil;
  }

  /** The machine from which this one's standby can receive at this moment. */
  #streamsFrom(machine: Machine): Machine | undefined {
    const { server } = machine;
    if (
      server?.isAnswering !== true ||
      server.role !== "standby" ||
      server.isPromoting ||
      server.upstream === undefined
    )
      return undefined;
    const source = this.#machine(server.upstream);
    const isUp =
      source.server?.isAnswering === true && source.server.role === "primary" && this.#now >= source.serverPausedUntil;
    return isUp &&
      this.#now >= machine.serverPausedUntil &&
      this.#isLinked(machine, source) &&
      server.disk.isPartOf(source.disk)
      ? source
      : undefined;
  }

  #replicate(machine: Machine): void {
    const { server, disk } = machine;
    const source = this.#streamsFrom(machine);
    for (const other of this.#machines) {
      // Known at once when it left by itself; a cut shows only when nothing is heard for long.
      if (
        other !== source &&
        other.server?.connected.has(machine.member) === true &&
        this.#isLinked(machine, other) &&
        this.#now >= machine.serverPausedUntil
      )
        other.server.connected.delete(machine.member);
    }
    if (server === undefined || source?.server === undefined) return;
    const upstream = source.server;
    if (!upstream.connected.has(machine.member)) {
      upstream.connected.add(machine.member);
      upstream.flushed.set(machine.member, disk.log.length);
    }
    const many = 1 + this.#random.index(8);
    disk.log.push(...source.disk.log.slice(disk.log.length, disk.log.length + many));
    if (disk.timeline !== source.disk.timeline) {
      const ended = source.disk.history.findLast(({ timeline }) => timeline === disk.timeline)?.end ?? 0;
      if (disk.log.length >= ended) {
        machine.older = new Disk();
        machine.older.become(disk, true);
        disk.timeline = source.disk.timeline;
        disk.history = source.disk.history;
      }
    }
    const position = disk.log.length;
    this.#agenda.at(this.#now + this.#random.between(1, 10), () => {
      if (source.server !== upstream || !this.#isLinked(machine, source) || !upstream.connected.has(machine.member))
        return;
      if (this.#now < source.serverPausedUntil) return;
      upstream.flushed.set(machine.member, Math.max(upstream.flushed.get(machine.member) ?? 0, position));
      upstream.release();
    });
  }

  #client(machine: Machine): void {
    const { server } = machine;
    if (server === undefined || !server.takesClients || this.#now < machine.serverPausedUntil) return;
    if (this.#random.chance(40)) this.#referee.shows(server);
    this.#records += 1;
    const record = this.#records;
    server.commit(record, () => {
      const entry = this.#store.peek()?.lease.content as DatabaseEntry | undefined;
      this.#tell(machine, `acknowledges ${record}, waits for ${server.inForce.standbys.join()}`);
      this.#referee.acknowledges(machine.member, server, record, entry);
      if (this.#isCalm) this.#committedInCalm += 1;
    });
  }

  // --- faults -------------------------------------------------------------------------------------------------------

  #befall({ kind, forMs, target }: Scenario["faults"][number]): void {
    const holder = this.#store.peek()?.lease.holder.machine;
    // Every second fault hits the primary's machine.
    const machine =
      target % 2 === 0 && holder !== undefined
        ? this.#machine(holder)
        : (this.#machines[target % this.#machines.length] as Machine);
    const until = this.#now + forMs;
    this.#report.faults += 1;
    this.#tell(machine, `${kind} for ${forMs} ms`);
    switch (kind) {
      case "kill-postgres":
        return this.#kill(machine);
      case "kill-keeper":
        return this.#killKeeper(machine, Math.min(forMs, 3_000));
      case "kill-all":
        for (const each of this.#machines) this.#killKeeper(each, this.#random.between(100, 2_000));
        return;
      case "pause-keeper":
        machine.keeperPausedUntil = until;
        return;
      case "pause-machine":
        machine.keeperPausedUntil = until;
        machine.serverPausedUntil = until;
        return;
      case "pause-postgres":
        if (machine.server) machine.serverPausedUntil = until;
        return;
      case "cut-store":
        machine.storeCutUntil = until;
        return;
      case "cut-replication":
        machine.replicationCutUntil = until;
        return;
      case "false-hint": {
        const accused = this.#store.peek()?.lease.holder.incarnation;
        if (accused !== undefined && machine.isKeeperAlive && this.#now >= machine.keeperPausedUntil)
          this.#accuse(machine, accused);
        return;
      }
      case "restore-old-data":
        // Of a member that the entry counts on: its content is older than anybody can tell once it has caught up with
        // its timeline, so that is left to `restore-counted-data`, after which it never does.
        if (this.#isCounted(machine.member)) return;
        return this.#restore(machine);
      case "restore-counted-data":
        machine.replicationCutUntil = Infinity;
        this.#mayStall = true;
        return this.#restore(machine);
    }
  }

  #restore(machine: Machine): void {
    const { older } = machine;
    if (older === undefined || machine.disk.timeline <= older.timeline) return;
    this.#killKeeper(machine, 500);
    machine.disk.become(older, true);
  }

  /** In the entry, or on its way into it: some PostgreSQL waits for it. */
  #isCounted(member: string): boolean {
    return (
      this.#storedEntry?.inSync.includes(member) === true ||
      this.#machines.some(({ server }) => server?.inForce.standbys.includes(member) === true)
    );
  }

  get #storedEntry(): DatabaseEntry | undefined {
    return this.#store.peek()?.lease.content as DatabaseEntry | undefined;
  }

  #killKeeper(machine: Machine, awayMs: number): void {
    if (!machine.isKeeperAlive) return;
    machine.isKeeperAlive = false;
    machine.keeperPausedUntil = 0;
    // The reaper ends PostgreSQL a moment later; nothing new is started on the folder before.
    this.#kill(machine);
    this.#agenda.at(this.#now + Math.max(100, awayMs), () => this.#startKeeper(machine));
  }

  #calm(): void {
    this.#isCalm = true;
    for (const machine of this.#machines) {
      machine.storeCutUntil = Math.min(machine.storeCutUntil, this.#now);
      if (machine.replicationCutUntil !== Infinity) machine.replicationCutUntil = 0;
      machine.keeperPausedUntil = Math.min(machine.keeperPausedUntil, this.#now);
      machine.serverPausedUntil = Math.min(machine.serverPausedUntil, this.#now);
    }
  }

  get #target(): number {
    return Math.min(this.scenario.synchronousMost || Infinity, this.#members.length - 1);
  }

  get #isWhole(): boolean {
    const entry = this.#storedEntry;
    return (
      entry?.phase === "open" &&
      entry.inSync.length === this.#members.length &&
      synchronousOf(entry) >= this.#target &&
      this.#committedInCalm > 5
    );
  }

  #judge(): void {
    const entry = this.#storedEntry;
    const primary = entry && this.#machine(entry.primary);
    if (this.#mayStall) return;
    if (entry?.phase !== "open" || primary?.server?.takesClients !== true || this.#committedInCalm === 0)
      throw new KeeperViolation("progress", `no primary commits after the storm: ${JSON.stringify(entry)}`);
    this.#referee.has(primary.member, primary.server, "ends");
    if (synchronousOf(entry) < this.#target)
      throw new KeeperViolation("progress", `commits wait for ${synchronousOf(entry)} standbys only after the storm`);
    if (entry.inSync.length !== this.#members.length)
      throw new KeeperViolation("progress", `only ${entry.inSync.join()} are in sync after the storm`);
  }
}
