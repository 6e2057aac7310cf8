/** What the balancer counts, as plain numbers: the way of a request touches no metrics library. */
import { LatencyHistogram } from "./latency-histogram.ts";

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

  readonly seconds = new LatencyHistogram(
    "understudy_balancer_request_seconds",
    "From the head of a request to the end of its answer.",
  );

  answered(status: number, startedAtMs: number): void {
    const group = (status / 100) | 0;
    this.answers[group] = (this.answers[group] ?? 0) + 1;
    this.seconds.observe((performance.now() - startedAtMs) / 1_000);
  }
}
