/** P2: waits grow and are jittered, so that callers neither hammer a server that starts nor arrive all at once. Pure. */
const firstMs = 12;
const longestMs = 500;

/** Of the try with this number (0 is the first); `random` in [0, 1). Between 10 and 25 ms first, at most 500 ms. */
export function retryWaitMs(tries: number, random: number): number {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(tries, 16));
  return Math.max(10, Math.min(longestMs, full * (0.8 + random * 0.8)));
}
