/**
 * Who is the primary, as far as this pool knows; and the callers that wait for one.
 *
 * States: `unknown` (nobody has asked yet), `known`, `seeking` (since when, and what each host said last), `stopped`.
 * While it seeks it asks all hosts in rounds, with growing jittered waits between them (P2); news cut a wait short.
 *
 * Invariants:
 * - A primary is taken from the answers of the servers alone (`choosePrimary`); news, failed connections and silence
 *   only make it ask (as hints do in L4).
 * - `seen.timeline` never falls, `seen.system` never changes: no zombie and no stranger is ever used.
 * - Each primary that is taken has a `generation` of its own. Connections of an older one are given up by the pool.
 * - Waiters are released in the order in which they came; each waits until its own deadline at most.
 * - A doubt (`doubt`) asks once and changes nothing unless another primary is proven, so a slow query on a healthy
 *   primary is never disturbed.
 */
import { kindOfError, reasonOf } from "../errors/error-table.ts";
import { DatabaseUnavailableError, type HostReason } from "../errors/pool-errors.ts";
import type { Asking } from "../connection/host-asker.ts";
import { choosePrimary, type AskedHost, type Choice, type HostAnswer, type Seen } from "./choose-primary.ts";
import type { Host } from "./host-list.ts";
import { retryWaitMs } from "./retry-wait.ts";

export interface Primary {
  readonly host: Host;
  readonly timeline: number;
  readonly system: string;
  /** Rises with each primary that is taken, also when the same server is found again. */
  readonly generation: number;
}

export type PrimaryState =
  | { readonly phase: "unknown" }
  | { readonly phase: "known"; readonly primary: Primary }
  | { readonly phase: "seeking"; readonly sinceMs: number; readonly last: Primary | undefined; readonly reason: string }
  | { readonly phase: "stopped" };

/** A hint from outside: "writes go here now". Never believed over the database. */
export interface PrimaryHint {
  readonly primary?: string | undefined;
  readonly timeline?: number | undefined;
}

export interface FinderParts {
  readonly hosts: readonly Host[];
  readonly expectedSystem: string | undefined;
  readonly ask: (host: Host) => Asking;
  readonly found: (primary: Primary, last: Primary | undefined) => void;
  readonly lost: (last: Primary, reason: string) => void;
}

interface Waiter {
  readonly resolve: (primary: Primary) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** How long a found primary waits for the others' answers, which may name a newer one. */
const graceMs = 60;
/** How long a round waits for hosts that say nothing; their answers count in the next one. */
const roundMs = 150;

export class PrimaryFinder {
  #state: PrimaryState = { phase: "unknown" };
  #seen: Seen;
  #generation = 0;
  #withoutPrimaryMs = 0;
  #reasons: readonly HostReason[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #asking = new Map<Host, Asking>();
  /** Who collects answers at this moment. */
  readonly #rounds = new Set<(host: Host, answer: HostAnswer) => void>();
  /** Primaries that answered after the end of the round in which they were asked. */
  readonly #late = new Map<Host, HostAnswer>();
  #wake: (() => void) | undefined;
  #isSeekLoopRunning = false;
  #doubting: Promise<void> | undefined;

  constructor(private readonly parts: FinderParts) {
    this.#seen = { timeline: 0, system: parts.expectedSystem };
  }

  get state(): PrimaryState {
    return this.#state;
  }

  get primary(): Primary | undefined {
    return this.#state.phase === "known" ? this.#state.primary : undefined;
  }

  get isSeeking(): boolean {
    return this.#state.phase === "seeking";
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  get seen(): Seen {
    return this.#seen;
  }

  get reasons(): readonly HostReason[] {
    return this.#reasons;
  }

  get withoutPrimaryMs(): number {
    return this.#withoutPrimaryMs + (this.#state.phase === "seeking" ? performance.now() - this.#state.sinceMs : 0);
  }

  /** @throws DatabaseUnavailableError after `deadlineMs` (of `performance.now()`); what no wait can mend, at once. */
  wait(deadlineMs: number): Promise<Primary> {
    if (this.#state.phase === "known") return Promise.resolve(this.#state.primary);
    if (this.#state.phase === "stopped") return Promise.reject(new DatabaseUnavailableError("The pool has ended.", []));
    const promise = new Promise<Primary>((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.#waiters.delete(waiter);
          reject(this.unavailable());
        },
        Math.max(0, deadlineMs - performance.now()),
      );
      const waiter: Waiter = { resolve, reject, timer };
      this.#waiters.add(waiter);
    });
    if (this.#state.phase === "unknown") this.#startSeeking(undefined, "not looked for yet");
    return promise;
  }

  unavailable(cause?: unknown): DatabaseUnavailableError {
    const forMs = this.#state.phase === "seeking" ? Math.round(performance.now() - this.#state.sinceMs) : 0;
    return new DatabaseUnavailableError(`No primary was found for ${forMs} ms.`, this.#reasons, cause);
  }

  /** A connection to this primary could not be made, or it broke in a way that says that the server is gone. */
  failed(primary: Primary, error: unknown): void {
    if (this.#state.phase !== "known" || this.#state.primary.generation !== primary.generation) return;
    this.#reasons = [{ host: primary.host.id, reason: reasonOf(error) }];
    this.#startSeeking(primary, reasonOf(error));
  }

  /** Something is odd (silence, a hint, a broken connection): ask once whether there is another primary. */
  doubt(): Promise<void> {
    if (this.#state.phase === "seeking") this.#wake?.();
    if (this.#state.phase !== "known") return Promise.resolve();
    this.#doubting ??= this.#lookAgain().finally(() => (this.#doubting = undefined));
    return this.#doubting;
  }

  hint({ timeline }: PrimaryHint): void {
    if (this.#state.phase === "seeking") this.#wake?.();
    if (this.#state.phase === "known" && (timeline === undefined || timeline > this.#state.primary.timeline))
      void this.doubt();
  }

  stop(): void {
    this.#withoutPrimaryMs = this.withoutPrimaryMs;
    this.#state = { phase: "stopped" };
    this.#wake?.();
    for (const asking of this.#asking.values()) asking.stop();
    this.#rejectAll(new DatabaseUnavailableError("The pool has ended.", this.#reasons));
  }

  #startSeeking(last: Primary | undefined, reason: string): void {
    this.#state = { phase: "seeking", sinceMs: performance.now(), last, reason };
    if (last !== undefined) this.parts.lost(last, reason);
    if (!this.#isSeekLoopRunning) void this.#seek();
  }

  async #seek(): Promise<void> {
    this.#isSeekLoopRunning = true;
    for (let tries = 0; this.#state.phase === "seeking"; tries++) {
      const choice = await this.#round();
      if (this.#state.phase !== "seeking") break;
      if (choice.type === "primary") {
        this.#take(choice);
        break;
      }
      this.#reasons = choice.reasons;
      if (choice.told !== undefined) this.#rejectAll(choice.told);
      await this.#pause(retryWaitMs(tries, Math.random(), "questions"));
    }
    this.#isSeekLoopRunning = false;
    // Lost again between taking it and coming here.
    if (this.#state.phase === "seeking") void this.#seek();
  }

  async #lookAgain(): Promise<void> {
    const choice = await this.#round();
    if (this.#state.phase !== "known" || choice.type !== "primary") return;
    const { primary } = this.#state;
    if (choice.facts.timeline > primary.timeline) this.#take(choice);
  }

  #take({ host, facts }: Choice & { type: "primary" }): void {
    const state = this.#state;
    const last = state.phase === "known" ? state.primary : state.phase === "seeking" ? state.last : undefined;
    this.#withoutPrimaryMs = this.withoutPrimaryMs;
    this.#seen = { timeline: Math.max(this.#seen.timeline, facts.timeline), system: facts.system };
    const primary: Primary = { host, timeline: facts.timeline, system: facts.system, generation: ++this.#generation };
    this.#state = { phase: "known", primary };
    this.#reasons = [];
    this.#late.clear();
    this.parts.found(primary, last);
    for (const waiter of this.#waiters) {
      clearTimeout(waiter.timer);
      waiter.resolve(primary);
    }
    this.#waiters.clear();
  }

  #rejectAll(error: unknown): void {
    for (const waiter of this.#waiters) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
    this.#waiters.clear();
  }

  /** Ends when all hosts have answered, a grace after the first primary did, or after `roundMs`. */
  async #round(): Promise<Choice> {
    const answers = new Map(this.#late);
    this.#late.clear();
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#rounds.delete(collect);
        resolve();
      };
      let timer = setTimeout(end, roundMs);
      const collect = (host: Host, answer: HostAnswer): void => {
        answers.set(host, answer);
        look(host, answer);
      };
      const look = (host: Host, answer: HostAnswer): void => {
        if (answers.size === this.parts.hosts.length) return end();
        if (!this.#isPrimary(host, answer)) return;
        clearTimeout(timer);
        timer = setTimeout(end, graceMs);
      };
      this.#rounds.add(collect);
      for (const host of this.parts.hosts) if (!answers.has(host)) this.#ask(host);
      for (const [host, answer] of answers) look(host, answer);
    });
    const asked: AskedHost[] = this.parts.hosts.map((host) => ({
      host,
      answer: answers.get(host) ?? { type: "silent" },
    }));
    return choosePrimary(asked, this.#seen);
  }

  #isPrimary(host: Host, answer: HostAnswer): boolean {
    return choosePrimary([{ host, answer }], this.#seen).type === "primary";
  }

  /**
   * Once at a time. A primary that answers between two rounds counts in the next one, which comes at once; any other
   * answer would be older then than one that is asked for anew.
   */
  #ask(host: Host): void {
    if (this.#asking.has(host)) return;
    const asking = this.parts.ask(host);
    this.#asking.set(host, asking);
    void asking.answer.then((answer) => {
      this.#asking.delete(host);
      if (this.#rounds.size > 0) this.#rounds.forEach((collect) => collect(host, answer));
      else if (this.#state.phase === "seeking" && this.#isPrimary(host, answer)) {
        this.#late.set(host, answer);
        this.#wake?.();
      }
    });
  }

  #pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, waitMs);
      // Waiters keep the process alive by their own timers; looking for nobody must not.
      timer.unref();
      const wake = done;
      function done(): void {
        clearTimeout(timer);
        resolve();
      }
      this.#wake = wake;
    });
  }
}

/** Whether an error of a connection says that its server is gone, so that others need not try it. */
export const meansServerGone = (error: unknown): boolean => {
  const kind = kindOfError(error);
  return kind === "lost" || kind === "starting" || kind === "kept-out" || kind === "not-primary";
};
