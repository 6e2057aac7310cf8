/**
 * Owns the standing (standing.ts) of this process: the one place where it changes.
 *
 * Every event first looks at the clock: after a pause (SIGSTOP, a stalled virtual machine) the first thing that
 * happens may be a request or a message that waited in a socket, not a timer. So a pause longer than `lostAfterMs`
 * is noticed before whatever comes (A3, L8). Silence is judged after what waited in the sockets was read.
 *
 * Listeners are told in the order of the changes, also when one of them causes the next.
 */
import { Inject, Injectable } from "@nestjs/common";
import { Identity, LOG, SettingsWatch, type Log } from "@understudy/runtime";
import {
  admission,
  describe,
  firstStanding,
  step,
  type Admission,
  type Limits,
  type Standing,
  type StandingEvent,
} from "./standing.ts";

const tickMs = 200;
/** Six beats of a leader (every 250 ms): shorter would call a takeover a cut. */
const contactLostMs = 1_500;
/** How long the message server's word is waited for after a pause: a dead connection is noticed within 3 s. */
const confirmMs = 4_000;

export type StandingListener = (now: Standing, before: Standing) => void;

@Injectable()
export class ServerStanding {
  #current: Standing;
  #awakeMs: number;
  #ticker: NodeJS.Timeout | undefined;
  #telling = false;
  readonly #untold: { now: Standing; before: Standing }[] = [];
  readonly #listeners: StandingListener[] = [];

  constructor(
    @Inject(Identity) identity: Identity,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.#awakeMs = this.nowMs();
    this.#current = firstStanding(identity.incarnation, this.#awakeMs);
  }

  get current(): Standing {
    return this.#current;
  }

  /** Monotonic; goes on while the process is paused. */
  nowMs(): number {
    return performance.now();
  }

  /** What happens to a request that arrives now. */
  admission(): Admission {
    this.#noticePause();
    return admission(this.#current);
  }

  onChange(listener: StandingListener): void {
    this.#listeners.push(listener);
  }

  start(): void {
    this.#awakeMs = this.nowMs();
    // Judged after this turn's reading: beats that wait in the sockets after a stall count.
    this.#ticker = setInterval(() => {
      this.#noticePause();
      setImmediate(() => this.apply({ type: "tick" }));
    }, tickMs);
  }

  stop(): void {
    clearInterval(this.#ticker);
  }

  apply(event: StandingEvent): void {
    this.#noticePause();
    this.#move(event);
  }

  #noticePause(): void {
    const nowMs = this.nowMs();
    const pausedMs = nowMs - this.#awakeMs;
    this.#awakeMs = nowMs;
    if (pausedMs < this.settings.current.appServers.lostAfterMs) return;
    this.log.warn({ pausedMs: Math.round(pausedMs) }, "the process was paused");
    this.#move({ type: "thawed" });
  }

  #move(event: StandingEvent): void {
    const limits: Limits = { contactLostMs, confirmMs, cutOffAfterMs: this.settings.current.appServers.cutOffAfterMs };
    const before = this.#current;
    const now = step(before, event, this.nowMs(), limits);
    if (now === before) return;
    this.#current = now;
    if (now.kind !== before.kind) this.#report(now, before);
    this.#untold.push({ now, before });
    if (!this.#telling) this.#tell();
  }

  #tell(): void {
    this.#telling = true;
    try {
      for (let change = this.#untold.shift(); change !== undefined; change = this.#untold.shift()) {
        for (const listener of this.#listeners) listener(change.now, change.before);
      }
    } finally {
      this.#telling = false;
    }
  }

  #report(now: Standing, before: Standing): void {
    const troubled = now.kind === "cut-off" || now.kind === "dropped" || now.kind === "ending";
    this.log[troubled ? "warn" : "info"](
      { standing: now.kind, before: before.kind, incarnation: now.incarnation },
      describe(now),
    );
  }
}
