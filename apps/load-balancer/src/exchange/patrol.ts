/**
 * Looks after everything that only time tells: requests at servers that fell silent, answers that take too long,
 * held requests, servers that may be tried again. One timer for all, because a timer per request costs more than the
 * rest of a decision.
 *
 * - T1. A round that comes late says that this process was not running: then nobody else is called silent, all clocks
 *   of silence begin anew.
 */
import type { Attempt } from "./attempt.ts";
import type { Exchange } from "./exchange.ts";
import { patrolVerdict, type PatrolLimits } from "./patrol-policy.ts";
import type { Traffic } from "./traffic.ts";

export const roundMs = 100;
const lateAfterMs = 400;

export class Patrol {
  #timer: NodeJS.Timeout | undefined;
  #lastRoundMs = performance.now();

  constructor(
    private readonly traffic: Traffic,
    /** Called after each round. */
    private readonly onRound: () => void,
  ) {}

  start(): void {
    this.#lastRoundMs = performance.now();
    this.#timer = setInterval(() => this.round(performance.now()), roundMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  round(nowMs: number): void {
    const { traffic } = this;
    const wasAway = nowMs - this.#lastRoundMs > lateAfterMs;
    this.#lastRoundMs = nowMs;
    traffic.nowMs = nowMs;
    const { upstreams, limits } = traffic;
    for (const upstream of [...upstreams.current, ...upstreams.leaving]) {
      // T1; and silence counts only while something is asked of the server.
      if (wasAway || upstream.inFlight === 0) upstream.lastHeardMs = nowMs;
      upstream.isSilent = nowMs - upstream.lastHeardMs > limits.attemptMs;
    }
    this.#lookAfterAttempts(nowMs);
    if (traffic.held.size > 0) {
      traffic.held.release();
      traffic.held.expire(nowMs);
    }
    upstreams.closeIdle();
    this.onRound();
  }

  #lookAfterAttempts(nowMs: number): void {
    const { attemptMs, graceMs } = this.traffic.limits;
    const limits: PatrolLimits = { attemptMs, graceMs, answerMs: this.traffic.settings.answerMs };
    for (const attempt of this.traffic.attempts.copy()) {
      // Ended by what was done for one before it.
      if (attempt.place === -1) continue;
      const owner = attempt.owner as Exchange;
      const { upstream } = attempt;
      const verdict = patrolVerdict(
        {
          server: upstream.state,
          removedForMs: upstream.state === "removed" ? nowMs - upstream.removedAtMs : 0,
          serverSilentForMs: nowMs - upstream.lastHeardMs,
          attemptAgeMs: nowMs - attempt.startedAtMs,
          requestAgeMs: nowMs - owner.startedAtMs,
          hasAnswerBegun: owner.hasAnswerBegun,
          isRepeatable: owner.isRepeatable,
          hasRival: owner.hasRival,
        },
        limits,
      );
      if (verdict === "hedge") owner.hedge(attempt);
      else if (verdict !== "wait") this.#end(attempt, verdict === "time-out" ? "timed-out" : "lost");
    }
  }

  #end(attempt: Attempt, failure: "timed-out" | "lost"): void {
    attempt.abandon();
    attempt.owner.onFailed(attempt, failure);
  }
}
