/** P2: waits grow and are jittered, so that callers neither hammer a server that starts nor arrive all at once. Pure. */
const firstMs = 12;
const longestMs = 500;

/**
 * By which each wait is longer than the one before.
 *
 * - connections: each try of each caller costs the server a process
 * - questions: one for the whole pool, over a connection that stands; whoever opens in between is found after at most
 *   some 30 % more than the time that he took
 */
const growths = { connections: 2, questions: 1.25 } as const;

/** Of the try with this number (0 is the first); `random` in [0, 1). Between 10 and 25 ms first, at most 500 ms. */
export function retryWaitMs(tries: number, random: number, of: keyof typeof growths = "connections"): number {
  const full = Math.min(longestMs, firstMs * growths[of] ** Math.min(tries, 32));
  return Math.max(10, Math.min(longestMs, full * (0.8 + random * 0.8)));
}
