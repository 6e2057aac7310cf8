/**
 * Looks at one running PostgreSQL again and again over one connection of its own, and measures for how long it has not
 * answered.
 *
 * States: connecting (until it answers SQL for the first time), watching, stopped. A connection that breaks is made
 * anew without end; the process that it looks at tells of its own death elsewhere.
 *
 * - Only time in which this process itself ran counts as unanswered: each tick adds at most its own length.
 * - An error that PostgreSQL itself sends (no connection left, starting up) is an answer.
 */
import type { PostgresAddress } from "@understudy/engines";
import { pause, type Log } from "@understudy/runtime";
import pg from "pg";
import { observe, type Observation } from "./observation.ts";
import { connected, leave, type Login } from "./sessions.ts";

const tickMs = 50;
const lookEveryMs = 100;
const tryAgainMs = 20;
// Longer than PostgreSQL may be frozen before it is killed: that measure decides, not this one.
const answerMs = 10_000;

export class PostgresWatcher {
  readonly #stopped = new AbortController();
  /** The refusal that was told last. */
  #said: string | undefined;
  #client: pg.Client | undefined;
  #tick: NodeJS.Timeout | undefined;
  #askedSince: "waiting" | "idle" = "idle";
  #unansweredMs = 0;
  #tickedAt = 0;
  #latest: Observation | undefined;
  #lookSooner: () => void = () => undefined;
  #lookEveryMs = lookEveryMs;

  constructor(
    private readonly address: PostgresAddress,
    private readonly login: Login,
    private readonly onLook: (seen: Observation) => void,
    private readonly log: Log,
  ) {}

  start(): void {
    this.#tickedAt = performance.now();
    this.#tick = setInterval(() => {
      const now = performance.now();
      if (this.#askedSince === "waiting") this.#unansweredMs += Math.min(now - this.#tickedAt, 2 * tickMs);
      this.#tickedAt = now;
    }, tickMs);
    void this.#run(this.#stopped.signal);
  }

  stop(): void {
    this.#stopped.abort();
    clearInterval(this.#tick);
    this.#client?.connection.stream.destroy();
  }

  /** Undefined before the first answer. */
  get latest(): Observation | undefined {
    return this.#latest;
  }

  get unansweredMs(): number {
    return this.#unansweredMs;
  }

  /** Looks ten times as often, or as ever. */
  hurry(isUrgent: boolean): void {
    this.#lookEveryMs = isUrgent ? lookEveryMs / 10 : lookEveryMs;
    if (isUrgent) this.lookNow();
  }

  /** The next look comes at once. */
  lookNow(): void {
    this.#lookSooner();
  }

  /** Asks in quick succession until it is no longer in recovery; `onLook` has been told then. */
  async untilPrimary(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#stopped.signal.aborted) {
      const client = this.#client;
      if (client === undefined) {
        await pause(2, signal);
        continue;
      }
      try {
        const { rows } = await client.query<{ recovering: boolean }>("SELECT pg_is_in_recovery() AS recovering");
        if (rows[0]?.recovering === false) {
          this.#latest = await observe(client);
          return this.onLook(this.#latest);
        }
        await pause(2, signal);
      } catch {
        // The watcher makes another connection.
        await pause(tickMs, signal);
      }
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let client: pg.Client | undefined;
      try {
        this.#askedSince = "waiting";
        client = await connected(this.address, this.login, answerMs);
        this.#answered();
        this.#client = client;
        while (!signal.aborted) {
          this.#askedSince = "waiting";
          const seen = await observe(client);
          this.#answered();
          this.#said = undefined;
          if (signal.aborted) return;
          this.#latest = seen;
          this.onLook(seen);
          await this.#untilNextLook(signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof pg.DatabaseError) {
          // 57P03: starting up or shutting down.
          if (error.code !== "57P03" && error.message !== this.#said) {
            // Once: it is asked again several times a second.
            this.#said = error.message;
            this.log.warn({ reason: error.message, code: error.code }, "PostgreSQL refuses its keeper");
          }
          this.#answered();
        }
      } finally {
        this.#client = undefined;
        if (client) leave(client);
      }
      await pause(tryAgainMs, signal);
    }
  }

  #answered(): void {
    this.#askedSince = "idle";
    this.#unansweredMs = 0;
  }

  #untilNextLook(signal: AbortSignal): Promise<void> {
    const sooner = new AbortController();
    const stop = () => sooner.abort();
    this.#lookSooner = stop;
    signal.addEventListener("abort", stop, { once: true });
    return pause(this.#lookEveryMs, sooner.signal).finally(() => signal.removeEventListener("abort", stop));
  }
}
