import { monitorEventLoopDelay, type IntervalHistogram } from "node:perf_hooks";

// The histogram records the whole interval of its timer; what exceeds this is delay. Each wake-up of an idle process
// costs some 20 us with its context switch, so not finer than a delay that somebody would notice.
const resolutionMs = 50;

export interface ProcessFigures {
  readonly eventLoopLagMs: number;
  readonly residentBytes: number;
  readonly cpu: number;
}

/** What this process costs, each figure since the previous `read`. */
export class ProcessGauge {
  #delay: IntervalHistogram | undefined;
  #usage = process.cpuUsage();
  #readAt = performance.now();

  start(): void {
    this.#delay = monitorEventLoopDelay({ resolution: resolutionMs });
    this.#delay.enable();
    this.#usage = process.cpuUsage();
    this.#readAt = performance.now();
  }

  stop(): void {
    this.#delay?.disable();
    this.#delay = undefined;
  }

  read(): ProcessFigures {
    const now = performance.now();
    const used = process.cpuUsage(this.#usage);
    const elapsedMs = Math.max(1, now - this.#readAt);
    this.#usage = process.cpuUsage();
    this.#readAt = now;
    const eventLoopLagMs = this.#delay === undefined ? 0 : longestDelayMs(this.#delay, elapsedMs);
    this.#delay?.reset();
    return {
      eventLoopLagMs,
      residentBytes: process.memoryUsage.rss(),
      cpu: Math.max(0, (used.user + used.system) / 1_000 / elapsedMs),
    };
  }
}

/**
 * The histogram knows the intervals between its own wake-ups, but neither the one after its reset nor the one that
 * is going on: what is missing in the sum was spent there, and more than two intervals of it is delay as well.
 */
function longestDelayMs(delay: IntervalHistogram, elapsedMs: number): number {
  const knownMs = delay.count === 0 ? 0 : (delay.mean * delay.count) / 1e6;
  const longestMs = delay.count === 0 ? 0 : delay.max / 1e6;
  return Math.max(0, longestMs - resolutionMs, elapsedMs - knownMs - 2 * resolutionMs);
}
