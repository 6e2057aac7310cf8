/** How long a failed job waits before its next attempt: growing, with jitter, bounded. */
export interface Backoff {
  /** Before the second attempt. 1,000. */
  readonly firstMs?: number;
  /** What each further wait is multiplied by. 2. */
  readonly factor?: number;
  /** No wait is longer. One hour. */
  readonly maxMs?: number;
  /** 0.5 makes waits of 50% to 100%, so that many that failed together do not come back together. 0.5. */
  readonly jitter?: number;
}

export function retryWaitMs(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const { firstMs = 1_000, factor = 2, maxMs = 3_600_000, jitter = 0.5 } = backoff;
  const full = Math.min(maxMs, firstMs * factor ** Math.min(attempt - 1, 60));
  return Math.round(full * (1 - jitter * random()));
}
