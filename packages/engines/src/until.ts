/** Tries `check` until it stops throwing; short waits that grow to 100 ms. Rejects when `signal` aborts. */
export async function until<Result>(
  what: string,
  signal: AbortSignal | undefined,
  check: () => Promise<Result>,
): Promise<Result> {
  let lastError: unknown;
  const isGivenUp = () => signal?.aborted === true;
  for (let waitMs = 10; !isGivenUp(); waitMs = Math.min(waitMs * 1.5, 100)) {
    try {
      return await check();
    } catch (error) {
      lastError = error;
    }
    await new Promise<void>((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, waitMs);
      signal?.addEventListener("abort", finish, { once: true });
    });
  }
  const reason = lastError instanceof Error ? lastError.message : "it was not tried";
  throw new Error(`${what} did not become ready: ${reason}`, { cause: lastError });
}
