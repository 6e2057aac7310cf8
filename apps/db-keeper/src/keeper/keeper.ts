/**
 * Keeps one PostgreSQL instance of a replicated database: gathers facts, asks `keeperStep` what to do, does it, and
 * begins again; at once on every change, and several times a second anyway.
 *
 * It owns the instance, the election and the clone job. One step runs at a time; a clone runs beside them and is called
 * off when a step other than waiting for it is due. What an operator asks (`switchOver`) runs between two steps.
 *
 * Nothing is remembered that a restarted keeper would miss: the entry and the data folder tell where to go on (D2).
 */
import { databaseEntry, type DatabaseEntry, type Evidence, type LeaderTerm } from "@understudy/contracts";
import type { PostgresAddress } from "@understudy/engines";
import { Elector, type LeaseStore, type SeenLease } from "@understudy/leadership";
import { CallerError, OperationalError, pause, type Identity, type Log } from "@understudy/runtime";
import {
  entryOnTaking,
  isCandidate,
  mayTake,
  needsConfirmations,
  opened,
  withoutStandby,
  withStandby,
  withSynchronous,
  type Candidate,
} from "../decision/entry-rules.ts";
import type { KeeperFacts, KeeperTiming, PostgresFacts } from "../decision/facts.ts";
import { keeperStep, type KeeperPlan } from "../decision/keeper-step.ts";
import { historyFileName, isPartOf } from "../decision/timeline-history.ts";
import type { PostgresInstance } from "../postgres/instance.ts";
import { withSession } from "../postgres/sessions.ts";
import type { Chronicle } from "../telling/chronicle.ts";
import type { Peers } from "../telling/peers.ts";
import type { CloneJob } from "./clone-job.ts";
import type { Confirmations } from "./confirmations.ts";
import { leaseFacts, seenEntry } from "./lease-view.ts";

export interface KeeperOptions {
  readonly database: string;
  readonly member: string;
  readonly members: Readonly<Record<string, PostgresAddress>>;
  readonly policy: DatabaseEntry["policy"];
  /** Commits wait for so many standbys; for all in sync when undefined (D3). */
  readonly synchronousMost: number | undefined;
  readonly timing: KeeperTiming;
  readonly identity: Identity;
  readonly log: Log;
  readonly store: LeaseStore;
  readonly role: string;
  readonly instance: PostgresInstance;
  readonly clone: CloneJob;
  readonly confirmations: Confirmations;
  readonly peers: Peers;
  readonly chronicle: Chronicle;
  /** False while nobody could probe this process. */
  readonly isReachable: () => boolean;
}

const idleMs = 250;
const failedAgainMs = [50, 200, 500, 1_000, 2_000] as const;
const historyMs = 3_000;
// An idle primary is heard every 1.5 s (wal_receiver_timeout / 2).
const heardMs = 2_000;
// A keeper that is accused for so long is replaced even if its PostgreSQL is heard: nobody keeps that one.
const accusedMostMs = 10_000;
const checkpointMs = 15_000;
const takenOverMs = 10_000;

interface Request {
  readonly run: () => Promise<void>;
}

export class Keeper {
  readonly elector: Elector;
  readonly #stopped = new AbortController();
  readonly #requests: Request[] = [];
  #loop: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;
  #pulse: NodeJS.Timeout | undefined;
  #isWoken = false;
  #isBusy = false;
  #isGuarding = false;
  #isStopping = false;
  #isHeld = false;
  #unledSince: number | undefined;
  #primaryTerm = 0;
  #comparison: { readonly key: string; readonly result: boolean } | undefined;
  #failures = 0;
  #why = "it starts";
  #isLeaseKnown = false;
  #accused: { readonly holder: string; readonly since: number; at: number } | undefined;

  constructor(private readonly options: KeeperOptions) {
    const { role, identity, store, log, instance } = options;
    this.elector = new Elector({
      role,
      identity,
      store,
      log,
      isEligible: (seen) => this.#isEligible(seen),
      contentFor: (seen) => {
        const found = seenEntry(seen, identity.ref, options.database);
        return entryOnTaking(found === "foreign" ? undefined : found, this.#candidate, options.database, Date.now());
      },
    });
    this.elector.on("lead", (leader, evidence, previous) => this.#lead(leader, evidence, previous));
    this.elector.on("lose", (leader, reason) => {
      this.#unledSince = performance.now();
      log.warn({ term: leader.term, reason }, "no longer holds the database");
      this.wake();
    });
    this.elector.on("lease", ({ lease }) => {
      this.#isLeaseKnown = true;
      if (this.#accused !== undefined && this.#accused.holder !== lease.holder.incarnation) {
        this.#accused = undefined;
        instance.hurry(false);
      }
      this.wake();
    });
    instance.on("change", () => {
      if (this.#accused !== undefined && this.elector.leading === undefined) this.elector.reconsider();
      this.wake();
    });
    instance.on("exit", (_exit, wasPrimary) => {
      if (wasPrimary) options.chronicle.primaryEnded();
    });
  }

  start(): void {
    this.elector.start();
    this.#loop = this.#run(this.#stopped.signal);
    // A frozen PostgreSQL makes no news.
    this.#pulse = setInterval(() => this.wake(), idleMs);
  }

  /** Something that the keeper did not do itself changed. */
  wake(): void {
    this.#isWoken = true;
    this.#wake();
    if (!this.#isBusy || this.#isGuarding) return;
    // D4: a step that waits for PostgreSQL must not keep a primary of an older term, or a frozen one, alive.
    const plan = keeperStep(this.#facts, this.options.timing);
    if (plan.do !== "kill") return;
    this.#isGuarding = true;
    this.options.log.warn({ why: plan.why }, "PostgreSQL is ended in the middle of a step");
    void this.options.instance.kill().finally(() => (this.#isGuarding = false));
  }

  /** L4: evidence against the holder's keeper. Whether its PostgreSQL lives is looked at closely from now on. */
  accuse(holder: string, evidence: readonly Evidence[]): void {
    const now = performance.now();
    // Hints come again and again while they hold.
    if (this.#accused?.holder !== holder || now - this.#accused.at > heardMs)
      this.#accused = { holder, since: now, at: now };
    this.#accused.at = now;
    this.options.instance.hurry(true);
    this.elector.hint(holder, evidence);
  }

  /** The holder's keeper answered. */
  acquit(holder: string): void {
    if (this.#accused?.holder === holder) {
      this.#accused = undefined;
      this.options.instance.hurry(false);
    }
    this.elector.holderIsAlive(holder);
  }

  /** The supervisor wants PostgreSQL left down when it ends, or no longer. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.elector.reconsider();
    this.wake();
  }

  #isEligible(seen: SeenLease | undefined): boolean {
    this.#isLeaseKnown = true;
    const found = seenEntry(seen, this.options.identity.ref, this.options.database);
    const candidate = this.#candidate;
    if (mayTake(found, candidate)) return true;
    if (needsConfirmations(found, candidate) && isCandidate(found, candidate))
      void this.options.confirmations.gather(
        found,
        () => this.confirmStopped(found.revision),
        () => this.elector.reconsider(),
      );
    return false;
  }

  /** D3: to a candidate, or to itself. @throws CallerError `refused`; OperationalError `unavailable` */
  confirmStopped(revision: number) {
    const primary = this.entry?.primary;
    const isPrimaryHeard = primary !== undefined && this.#hearsFrom === primary;
    return this.options.confirmations.promise(revision, this.elector.seen, isPrimaryHeard);
  }

  /** The member whose PostgreSQL is heard; after a long accusation nobody's. */
  get #hearsFrom(): string | undefined {
    const isAccusedForLong = this.#accused !== undefined && performance.now() - this.#accused.since > accusedMostMs;
    return isAccusedForLong ? undefined : this.options.instance.heardFrom(heardMs);
  }

  /** In a sentence, why it does nothing else. */
  get why(): string {
    return this.#why;
  }

  get entry(): DatabaseEntry | undefined {
    return this.#lease?.entry;
  }

  get term(): number {
    return this.elector.seen?.lease.term ?? 0;
  }

  get #lease() {
    return leaseFacts(this.elector.seen, this.options.identity.ref, this.options.database);
  }

  get #candidate(): Candidate {
    const { instance, member, members, policy, peers, isReachable } = this.options;
    const { facts } = instance;
    return {
      member,
      members: Object.keys(members),
      policy,
      data: instance.data,
      runsAs: facts.kind === "running" && !facts.isPromoting ? facts.role : "nothing",
      isFit:
        !this.#isStopping &&
        !this.#isHeld &&
        isReachable() &&
        (facts.kind !== "stopped" || facts.failedStarts < 5) &&
        (facts.kind !== "running" || facts.unansweredMs < this.options.timing.frozenMs),
      hearsFrom: this.#hearsFrom,
      timelinesOfOthers: peers.timelines,
      confirmations: this.options.confirmations.promises,
    };
  }

  get #facts(): KeeperFacts {
    const { instance, member, members } = this.options;
    const postgres = this.#postgresFacts;
    const lease = this.#lease;
    const isLeading = this.elector.leading !== undefined;
    return {
      member,
      members: Object.keys(members),
      lease,
      isLeaseKnown: this.#isLeaseKnown,
      isLeading,
      unledMs: isLeading || this.#unledSince === undefined ? 0 : performance.now() - this.#unledSince,
      primaryTerm: this.#primaryTerm,
      data: postgres.kind === "stopped" ? instance.data : { kind: "none" },
      postgres,
      isHeld: this.#isHeld,
      isPrepared: instance.isPrepared,
      synchronousMost: this.options.synchronousMost,
      stoppedAt: this.options.confirmations.stoppedAt,
      canFollow: this.#canFollow(lease?.entry),
    };
  }

  /** Undefined: to be compared. Data that is being replaced is not: that would call the clone off, again and again. */
  #canFollow(entry: DatabaseEntry | undefined): boolean | undefined {
    if (this.options.clone.from !== undefined) return false;
    return this.#comparison?.key === this.#comparisonKey(entry) ? this.#comparison?.result : undefined;
  }

  /** A standby whose keeper says that it was stopped on purpose is not waited for: it is missing for ever at once. */
  get #postgresFacts(): PostgresFacts {
    const { instance, peers } = this.options;
    const { facts } = instance;
    if (facts.kind !== "running" || facts.role !== "primary") return facts;
    const missing = Object.entries(facts.missingMs).map(([member, ms]): [string, number] => {
      const state = peers.stateOf(member);
      return [member, state?.role === "none" && state.state === "stopped" ? Infinity : ms];
    });
    return { ...facts, missingMs: Object.fromEntries(missing) };
  }

  #comparisonKey(entry: DatabaseEntry | undefined): string {
    return `${entry?.primary}/${entry?.timeline}`;
  }

  #lead(leader: LeaderTerm, evidence: readonly Evidence[], previous: SeenLease | undefined): void {
    const { instance, chronicle, log } = this.options;
    this.#unledSince = undefined;
    this.#accused = undefined;
    instance.hurry(false);
    const { facts } = instance;
    // The entry said so in the swap that made this term: it goes on being what it was.
    if (facts.kind === "running" && facts.role === "primary") this.#primaryTerm = leader.term;
    log.info({ term: leader.term, evidence }, "holds the database");
    chronicle.elected(leader, evidence, previous);
    this.wake();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { instance, log } = this.options;
    await instance
      .endFormer()
      .catch((error: Error) => log.error({ reason: error.message }, "a former PostgreSQL stays"));
    while (!signal.aborted) {
      this.#isWoken = false;
      const request = this.#requests.shift();
      if (request !== undefined) {
        await request.run();
        continue;
      }
      const plan = keeperStep(this.#facts, this.options.timing);
      try {
        if (await this.#isDone(plan)) this.#failures = 0;
        else await this.#untilWoken(signal);
      } catch (error) {
        const waitMs = failedAgainMs[Math.min(this.#failures, failedAgainMs.length - 1)] ?? 0;
        this.#failures += 1;
        this.#why = (error as Error).message;
        log.warn({ plan: plan.do, reason: this.#why, waitMs }, "a step failed");
        await pause(waitMs, signal);
      }
    }
  }

  async #untilWoken(signal: AbortSignal): Promise<void> {
    if (this.#isWoken) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const stop = () => woken.abort();
    signal.addEventListener("abort", stop, { once: true });
    await pause(idleMs, woken.signal);
    signal.removeEventListener("abort", stop);
    this.#wake = () => undefined;
  }

  /** Carries out `plan`; false when there was nothing to do but wait. */
  async #isDone(plan: KeeperPlan): Promise<boolean> {
    const { clone, log } = this.options;
    if (plan.do === "nothing") {
      if (this.#why !== plan.why) log.debug({ why: plan.why }, "waiting");
      this.#why = plan.why;
      if (clone.from !== undefined) await clone.cancel();
      return false;
    }
    if (plan.do === "clone" && clone.from === plan.from) return false;
    await clone.cancel();
    this.#why = plan.do;
    log.info({ ...plan, term: this.term }, "step");
    this.#isBusy = true;
    try {
      await this.#perform(plan);
    } finally {
      this.#isBusy = false;
    }
    return true;
  }

  async #perform(plan: Exclude<KeeperPlan, { do: "nothing" }>): Promise<void> {
    const { instance, chronicle, member } = this.options;
    switch (plan.do) {
      case "kill":
        await instance.kill();
        if (this.elector.leading === undefined) chronicle.fenced(this.entry, this.term, plan.why);
        return;
      case "initialise":
        this.elector.assertLeading();
        return instance.initialise();
      case "start-primary":
        await this.#afterFailedStarts();
        this.#primaryTerm = this.elector.assertLeading().term;
        return instance.startPrimary(plan.access, plan.waitsFor);
      case "start-standby":
        await this.#afterFailedStarts();
        return instance.startStandby(plan.upstream, plan.waitsFor);
      case "follow":
        return instance.follow(plan.upstream);
      case "promote": {
        const leader = this.elector.assertLeading();
        this.#primaryTerm = leader.term;
        await instance.promote();
        const { facts } = instance;
        if (facts.kind === "running" && facts.role === "primary")
          chronicle.writable(this.entry, leader, facts.timeline);
        return;
      }
      case "clone":
        return this.#clone(plan.from, plan.why);
      case "compare-history":
        return this.#compareHistory(plan.to);
      case "open-clients":
        return instance.openClients();
      case "set-waits":
        return instance.setWaits(plan.waitsFor);
      case "record-open": {
        const leader = this.elector.assertLeading();
        chronicle.writable(this.entry, leader, plan.timeline);
        const entry = await this.change((entry) => opened(entry, plan.timeline, plan.systemIdentifier));
        chronicle.opened(entry, leader);
        return;
      }
      case "record-timeline":
        await this.change((entry) => ({ ...entry, timeline: plan.timeline }));
        return;
      case "record-without": {
        const leader = this.elector.assertLeading();
        const entry = await this.change((before) => withoutStandby(before, plan.member, Date.now(), plan.synchronous));
        chronicle.left(entry, leader, plan.member);
        return;
      }
      case "record-with": {
        const leader = this.elector.assertLeading();
        const entry = await this.change((before) => withStandby(before, plan.member));
        chronicle.joined(entry, leader, plan.member);
        return;
      }
      case "record-synchronous":
        await this.change((before) => withSynchronous(before, plan.synchronous));
        return;
      case "hand-over":
        this.options.log.warn({ to: plan.to, from: member }, plan.why);
        return this.elector.handOver(this.options.peers.keeperOf(plan.to));
    }
  }

  /** What dies at each start is not started in a loop. */
  async #afterFailedStarts(): Promise<void> {
    const { facts } = this.options.instance;
    if (facts.kind !== "stopped" || facts.failedStarts === 0) return;
    await pause(failedAgainMs[Math.min(facts.failedStarts, failedAgainMs.length) - 1] ?? 0, this.#stopped.signal);
  }

  /** One change of the whole entry, by compare-and-swap (D2). @throws CallerError `not-leader` */
  async change(update: (entry: DatabaseEntry) => DatabaseEntry): Promise<DatabaseEntry> {
    const seen = await this.elector.change((content) => update(databaseEntry.parse(content)));
    return databaseEntry.parse(seen.lease.content);
  }

  async #clone(from: string, why: string): Promise<void> {
    const { clone, instance, members, log } = this.options;
    const address = members[from];
    if (address === undefined) throw new Error(`${from} is none of the configured members.`);
    if (instance.pid !== undefined) await instance.kill();
    if (clone.failures > 0) await pause(failedAgainMs[Math.min(clone.failures, failedAgainMs.length) - 1] ?? 0);
    this.#comparison = undefined;
    log.info({ from, why }, "cloning");
    const { data } = instance;
    const systemIdentifier = this.entry?.systemIdentifier;
    const isFormerPrimary = data.kind === "present" && !data.isStandby && data.systemIdentifier === systemIdentifier;
    clone.start({ from, address, systemIdentifier, isFormerPrimary });
  }

  async #compareHistory(to: string): Promise<void> {
    const { instance, members } = this.options;
    const key = this.#comparisonKey(this.entry);
    const address = members[to];
    const { data } = instance;
    const { timeline = 0 } = this.entry ?? {};
    if (address === undefined || data.kind !== "present") return;
    const text = await withSession(address, instance.login, historyMs, async (client) => {
      const found = await client.query<{ text: string | null }>("SELECT pg_read_file($1, true) AS text", [
        historyFileName(timeline),
      ]);
      return found.rows[0]?.text ?? "";
    });
    this.#comparison = { key, result: isPartOf(text, data) };
  }

  /**
   * Gives the primary's role to `to`, or to a standby in sync.
   * @throws CallerError `refused`, `not-leader`; OperationalError `timeout`.
   */
  switchOver(to: string | undefined): Promise<{ from: string; to: string; term: number; pauseMs: number }> {
    return new Promise((resolve, reject) => {
      this.#requests.push({ run: () => this.#switchOver(to).then(resolve, reject) });
      this.wake();
    });
  }

  /** Standbys that could take over at this moment, of which nothing is missing. */
  #successors(): string[] {
    const { instance, peers, member } = this.options;
    const { facts } = instance;
    if (facts.kind !== "running" || facts.role !== "primary") return [];
    return (this.entry?.inSync ?? []).filter(
      (other) =>
        other !== member &&
        peers.isLiving(other) &&
        facts.standbys.some((standby) => standby.member === other && standby.isStreaming),
    );
  }

  async #switchOver(wanted: string | undefined): Promise<{ from: string; to: string; term: number; pauseMs: number }> {
    const { member, instance, peers } = this.options;
    const { term } = this.elector.assertLeading();
    if (wanted === member) throw new CallerError("refused", `${member} is the primary already.`);
    const successors = this.#successors();
    const known = successors.join(", ") || "none";
    if (wanted !== undefined && !successors.includes(wanted))
      throw new CallerError("refused", `${wanted} is no standby in sync that runs; those are: ${known}.`);
    const to = wanted ?? successors[0];
    if (to === undefined || this.entry?.phase !== "open")
      throw new CallerError("refused", "There is no standby in sync that runs: nothing can take over.");
    // The stop writes what is dirty; now, while clients go on, it costs them nothing.
    await instance.checkpoint(checkpointMs);
    this.elector.assertLeading();
    const opens = this.#opensElsewhere(term);
    const pausedAt = performance.now();
    // Ends sessions, then waits until its standbys have everything: so the new primary continues exactly here, and
    // this one follows it without a clone.
    await instance.stop();
    await this.elector.handOver(peers.keeperOf(to));
    const opened = await Promise.race([opens, pause(takenOverMs).then(() => undefined)]);
    if (opened === undefined)
      throw new OperationalError("timeout", `${to} did not take over; ${this.entry?.primary} is primary now.`);
    return { from: member, ...opened, pauseMs: Math.round(performance.now() - pausedAt) };
  }

  #opensElsewhere(term: number): Promise<{ to: string; term: number }> {
    return new Promise((resolve) => {
      const look = (): void => {
        const lease = this.#lease;
        if (lease === undefined || lease.term <= term || lease.entry.phase !== "open") return;
        this.elector.off("lease", look);
        resolve({ to: lease.entry.primary, term: lease.term });
      };
      this.elector.on("lease", look);
      void pause(takenOverMs + 5_000).then(() => this.elector.off("lease", look));
    });
  }

  /**
   * Ends in order: gives the primary's role to a standby in sync, or keeps it where the whole cluster stops.
   */
  async stop(keepsRole: boolean): Promise<void> {
    const { instance, peers, clone, identity, log } = this.options;
    this.#isStopping = true;
    const isLeading = this.elector.leading !== undefined;
    const successor = keepsRole || this.entry?.paused !== undefined ? undefined : this.#successors()[0];
    clearInterval(this.#pulse);
    this.#stopped.abort();
    await Promise.race([this.#loop, pause(5_000)]);
    await clone.cancel();
    if (isLeading && successor !== undefined)
      await instance
        .checkpoint(checkpointMs)
        .catch((error: Error) => log.warn({ reason: error.message }, "no checkpoint"));
    await instance.stop();
    try {
      // Given away to itself, it waits a moment for its next start before another one takes it.
      await this.elector.handOver(successor === undefined ? identity.id : peers.keeperOf(successor));
    } finally {
      this.elector.stop();
    }
  }
}
