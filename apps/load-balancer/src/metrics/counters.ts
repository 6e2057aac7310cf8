/** What the balancer counts, as plain numbers: the way of a request touches no metrics library but one histogram. */
import { Histogram } from "prom-client";

export const repeatReasons = [
  "refused",
  "unsent",
  "not-taken",
  "interrupted",
  "broken",
  "lost",
  /** Sent to a second server too, the first being silent or suspect. */
  "hedged",
] as const;
export type RepeatReason = (typeof repeatReasons)[number];

export class Counters {
  /** By the answer's status class: index 2 is 2xx. */
  readonly answers = [0, 0, 0, 0, 0, 0];
  /** The client went away before its answer, or the answer was broken off. */
  unanswered = 0;
  attempts = 0;
  readonly repeats: Record<RepeatReason, number> = Object.fromEntries(
    repeatReasons.map((reason) => [reason, 0]),
  ) as Record<RepeatReason, number>;
  held = 0;
  holdExpired = 0;
  holdRefused = 0;
  inWork = 0;

  readonly seconds = new Histogram({
    name: "understudy_balancer_request_seconds",
    help: "From the head of a request to the end of its answer.",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [],
  });

  answered(status: number, startedAtMs: number): void {
    const group = (status / 100) | 0;
    this.answers[group] = (this.answers[group] ?? 0) + 1;
    this.seconds.observe((performance.now() - startedAtMs) / 1_000);
  }
}
