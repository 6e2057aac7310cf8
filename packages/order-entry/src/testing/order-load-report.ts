/** What a run of `OrderLoad` gave, in figures. Pure. */

export interface OrderRecord {
  readonly key: string;
  /** Wall clock, milliseconds since 1970. */
  readonly startedAt: number;
  /** From the first attempt to the last answer. */
  readonly ms: number;
  readonly attempts: number;
  /** unknown: not told before the deadline; the order may be there. */
  readonly outcome: "acknowledged" | "refused" | "unknown";
}

export interface OrderLoadReport {
  readonly orders: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unknown: number;
  /** Attempts of all orders, and orders that needed more than one. */
  readonly attempts: number;
  readonly repeated: number;
  /** Attempts that did not succeed, by reason: error code, `timeout`, `status 503`. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly ordersPerSecond: number;
  /** Of acknowledged orders, with all their repetitions. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number };
  /** Longest time in which no order was acknowledged. */
  readonly longestGapMs: number;
  /** When that ended; wall clock, milliseconds since 1970. */
  readonly longestGapEndedAt: number;
  readonly records: readonly OrderRecord[];
}

export function summarize(
  records: readonly OrderRecord[],
  reasons: ReadonlyMap<string, number>,
  startedAt: number,
  endedAt: number,
): OrderLoadReport {
  const acknowledged = records.filter(({ outcome }) => outcome === "acknowledged");
  const latencies = acknowledged.map(({ ms }) => ms).sort((a, b) => a - b);
  const ends = acknowledged.map(({ startedAt: from, ms }) => from + ms).sort((a, b) => a - b);
  const moments = [startedAt, ...ends, endedAt];
  let longestGapMs = 0;
  let longestGapEndedAt = startedAt;
  for (let index = 1; index < moments.length; index += 1) {
    const gapMs = moments[index]! - moments[index - 1]!;
    if (gapMs <= longestGapMs) continue;
    longestGapMs = gapMs;
    longestGapEndedAt = moments[index]!;
  }
  const seconds = (endedAt - startedAt) / 1_000;
  return {
    orders: records.length,
    acknowledged: acknowledged.length,
    refused: records.filter(({ outcome }) => outcome === "refused").length,
    unknown: records.filter(({ outcome }) => outcome === "unknown").length,
    attempts: records.reduce((sum, { attempts }) => sum + attempts, 0),
    repeated: records.filter(({ attempts }) => attempts > 1).length,
    reasons: Object.fromEntries(reasons),
    seconds,
    ordersPerSecond: seconds > 0 ? acknowledged.length / seconds : 0,
    latencyMs: {
      p50: percentile(latencies, 0.5),
      p95: percentile(latencies, 0.95),
      p99: percentile(latencies, 0.99),
      max: latencies.at(-1) ?? 0,
    },
    longestGapMs,
    longestGapEndedAt,
    records,
  };
}

/** Of ascending values, by nearest rank; 0 of none. */
export const percentile = (ascending: readonly number[], fraction: number): number =>
  ascending[Math.max(0, Math.ceil(ascending.length * fraction) - 1)] ?? 0;
