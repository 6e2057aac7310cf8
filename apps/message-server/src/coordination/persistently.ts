import { Backoff, pause, type Log } from "@understudy/runtime";

/**
 * Repeats `work` with growing waits until it succeeds or `signal` aborts; errors that say so (`retryable: false`) end it.
 * @returns undefined when the signal ended it.
 */
export async function persistently<Result>(
  name: string,
  signal: AbortSignal,
  log: Log,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  const backoff = new Backoff(50, 1_000);
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      return await work();
    } catch (error) {
      if ((error as { retryable?: boolean }).retryable === false) throw error;
      if (attempt % 5 === 0) log.warn({ work: name, attempt, reason: (error as Error).message }, "trying again");
      await pause(backoff.nextMs(), signal);
    }
  }
  return undefined;
}
