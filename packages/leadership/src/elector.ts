/**
 * Runs the election of one candidate: feeds `electionStep` with what the store, the hints and the clock say, and
 * carries out its actions. Owns the timers and the one state; all changes go through `#apply`.
 *
 * Listeners hear `lead` once per term gained and `lose` once per term lost, in order. Between, `leading` gives
 * the term as long as effects are allowed right now (L3, L8); ask it before each effect. A listener that throws is
 * logged and stops nothing.
 */
import { EventEmitter } from "node:events";
import type { Evidence, LeaderTerm } from "@understudy/contracts";
import { CallerError, OperationalError, pause, type Identity, type Log } from "@understudy/runtime";
import { initialState, mayAct, type ElectionEvent, type ElectionState } from "./election-state.ts";
import { electionStep } from "./election.ts";
import type { LeaseStore } from "./lease-store.ts";
import { leaderTermOf, type SeenLease } from "./lease.ts";
import { checkTiming, standardTiming, type LeaseTiming } from "./timing.ts";

export interface ElectorOptions {
  readonly role: string;
  readonly identity: Identity;
  readonly store: LeaseStore;
  readonly log: Log;
  readonly timing?: LeaseTiming;
  /** Highest term known from PostgreSQL (L2). */
  readonly termFloor?: () => number;
  /** Whether this candidate may take the lease: say false before it can be probed and while it stops. */
  readonly isEligible?: (seen: SeenLease | undefined) => boolean;
  /** What the entry carries from the first moment of a term of ours on (D2), given the entry that is swapped. */
  readonly contentFor?: (seen: SeenLease | undefined) => unknown;
}

interface ElectorEvents {
  lead: [leader: LeaderTerm, evidence: readonly Evidence[], previous: SeenLease | undefined];
  lose: [leader: LeaderTerm, reason: string];
  /** The lease was given away on purpose and the store has it. */
  released: [];
  /** The lease in the store changed: each later one has a higher revision. */
  lease: [seen: SeenLease];
}

const tickMs = 100;
const readAgainMs = 100;
// After a swap that failed. A stream without a Raft leader answers 503 at once, for seconds: a candidate that reads and
// tries again at once asks it hundreds of times a second and starves the election that it waits for.
const readAfterFailureMs = 25;
// The watch is the fast way; the read mends a watch that died unnoticed.
const readEveryMs = 2_000;
const handOverMs = 5_000;

export class Elector extends EventEmitter<ElectorEvents> {
  readonly #timing: LeaseTiming;
  readonly #stopped = new AbortController();
  #state: ElectionState = initialState(0);
  #swaps = 0;
  #lastReadAt = 0;
  #isReading = false;
  #shownRevision = 0;
  #lastChange: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Set<() => void>();
  #tick: NodeJS.Timeout | undefined;
  #stopWatch: (() => void) | undefined;

  constructor(private readonly options: ElectorOptions) {
    super();
    this.#timing = checkTiming(options.timing ?? standardTiming);
  }

  start(): void {
    this.#state = initialState(performance.now());
    this.#stopWatch = this.options.store.watch((seen) => this.#apply({ kind: "observed", seen }));
    this.#tick = setInterval(() => this.#onTick(), tickMs);
    void this.#read();
  }

  /** Ends without giving the lease away; call `handOver` before. */
  stop(): void {
    this.#stopped.abort();
    clearInterval(this.#tick);
    this.#stopWatch?.();
    this.#apply({ kind: "stop" });
  }

  /** The term, while effects are allowed at this moment; undefined otherwise. */
  get leading(): LeaderTerm | undefined {
    return this.#state.kind === "leading" && mayAct(this.#state, performance.now(), this.#timing)
      ? leaderTermOf(this.#state.held)
      : undefined;
  }

  /** The lease as this candidate last saw it. */
  get seen(): SeenLease | undefined {
    return this.#state.kind === "following" || this.#state.kind === "acquiring"
      ? this.#state.seen
      : this.#state.kind === "stopped"
        ? undefined
        : this.#state.held;
  }

  /** @throws CallerError `not-leader` unless `leader` (or any term, when omitted) may act at this moment. */
  assertLeading(leader?: LeaderTerm): LeaderTerm {
    const current = this.leading;
    if (current === undefined || (leader !== undefined && leader.term !== current.term)) {
      throw new CallerError("not-leader", `${this.options.identity.id} does not lead ${this.options.role}.`);
    }
    return current;
  }

  /** L4: evidence against the holder with this incarnation. */
  hint(holder: string, evidence: readonly Evidence[]): void {
    this.#apply({ kind: "hint", holder, evidence });
  }

  /** The holder answered: hints about it are void. */
  holderIsAlive(holder: string): void {
    this.#apply({ kind: "holder-alive", holder });
  }

  /** Something outside changed (eligibility, floor): think again now instead of at the next tick. */
  reconsider(): void {
    this.#apply({ kind: "tick" });
  }

  /**
   * Stops acting, then gives the lease to `to` or to whoever wants it. Resolves when the store has it. A try for the
   * lease that is under way is awaited first: it may be won. Does nothing when this candidate does not lead then.
   * @throws OperationalError `timeout` after 5 s without the store.
   */
  async handOver(to?: string): Promise<void> {
    if (this.#state.kind === "acquiring") await this.#leaves("acquiring");
    if (this.#state.kind === "leading") this.#apply({ kind: "release", to });
    if (!(await this.#leaves("releasing"))) {
      throw new OperationalError("timeout", "The lease could not be given away within 5 s; it will run out by itself.");
    }
  }

  /**
   * Changes what the entry carries, in one swap of the whole (D2); changes follow one another in order. Resolves with
   * the entry that has it.
   * @throws CallerError `not-leader` when this candidate does not lead, or no longer before the store confirmed it:
   *   then the change may stand or not.
   */
  change(update: (content: unknown) => unknown): Promise<SeenLease> {
    const changed = this.#lastChange.then(() => this.#change(update));
    this.#lastChange = changed.catch(() => undefined);
    return changed;
  }

  async #change(update: (content: unknown) => unknown): Promise<SeenLease> {
    if (this.#state.kind !== "leading") this.assertLeading();
    const before = this.seen as SeenLease;
    const { term } = before.lease;
    const version = (before.lease.contentVersion ?? 0) + 1;
    this.#apply({ kind: "change", content: update(before.lease.content), version });
    for (;;) {
      const state = this.#state;
      if (state.kind !== "leading" || state.held.lease.term !== term) {
        throw new CallerError("not-leader", `${this.options.identity.id} lost term ${term} of ${this.options.role}.`);
      }
      if ((state.held.lease.contentVersion ?? 0) >= version) return state.held;
      await new Promise<void>((resolve) => {
        const look = () => {
          this.#waiting.delete(look);
          resolve();
        };
        this.#waiting.add(look);
      });
    }
  }

  /** True once the state is another one; false when it still is `kind` after `handOverMs`. */
  async #leaves(kind: ElectionState["kind"]): Promise<boolean> {
    if (this.#state.kind !== kind) return true;
    const over = new AbortController();
    const look = () => this.#state.kind !== kind && over.abort();
    this.#waiting.add(look);
    await pause(handOverMs, over.signal);
    this.#waiting.delete(look);
    return this.#state.kind !== kind;
  }

  #onTick(): void {
    this.#apply({ kind: "tick" });
    if (performance.now() - this.#lastReadAt >= readEveryMs) void this.#read();
  }

  #apply(event: ElectionEvent): void {
    const before = this.#state;
    const { state, actions } = electionStep(before, event, {
      role: this.options.role,
      me: { ...this.options.identity.ref, machine: this.options.identity.machine },
      timing: this.#timing,
      termFloor: this.options.termFloor?.() ?? 0,
      isEligible: this.options.isEligible ?? (() => true),
      contentFor: this.options.contentFor,
      now: performance.now(),
      wallClock: Date.now(),
      nextSwap: this.#swaps + 1,
    });
    this.#state = state;
    for (const action of actions) {
      switch (action.kind) {
        case "swap":
          this.#swaps = action.id;
          void this.#swap(action.id, action.expectedRevision, action.lease);
          break;
        case "read":
          void this.#read(readAfterFailureMs);
          break;
        case "lead":
          this.#tell("lead", leaderTermOf(action.held), action.evidence, action.predecessor);
          break;
        case "lose":
          this.#tell("lose", leaderTermOf(action.held), action.reason);
          break;
        case "released":
          this.#tell("released");
          break;
      }
    }
    for (const look of this.#waiting) look();
    // A read from a replica that lags behind shows no change.
    if (event.kind === "observed" && (event.seen?.revision ?? 0) > this.#shownRevision) {
      const seen = event.seen as SeenLease;
      this.#shownRevision = seen.revision;
      this.#tell("lease", seen);
    }
  }

  #tell<Event extends keyof ElectorEvents>(event: Event, ...parameters: ElectorEvents[Event]): void {
    for (const listener of this.rawListeners(event) as ((...given: ElectorEvents[Event]) => void)[]) {
      try {
        listener.apply(this, parameters);
      } catch (error) {
        this.options.log.error({ err: error, event }, "a listener of the election failed");
      }
    }
  }

  async #swap(id: number, expectedRevision: number, lease: SeenLease["lease"]): Promise<void> {
    const result = await this.options.store.compareAndSwap(expectedRevision, lease);
    if (result.kind === "swapped") this.#apply({ kind: "swapped", swap: id, revision: result.revision });
    else this.#apply({ kind: result.kind === "refused" ? "swap-refused" : "swap-unknown", swap: id });
    if (result.kind === "unknown") {
      this.options.log.warn({ reason: result.reason, term: lease.term }, "no answer from the lease store");
    }
  }

  /** Reads until it succeeds: the core waits for the answer. */
  async #read(afterMs = 0): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    if (afterMs > 0) await pause(afterMs, this.#stopped.signal);
    while (!this.#stopped.signal.aborted) {
      try {
        const seen = await this.options.store.read();
        this.#lastReadAt = performance.now();
        this.#isReading = false;
        this.#apply({ kind: "observed", seen });
        return;
      } catch (error) {
        this.options.log.debug({ reason: (error as Error).message }, "the lease cannot be read");
        await pause(readAgainMs, this.#stopped.signal);
      }
    }
  }
}
