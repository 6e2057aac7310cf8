export interface EventuallyOptions {
  /** 10 s. */
  readonly withinMs?: number;
  /** What is awaited, for the error. */
  readonly describe?: string;
}

/** What `eventually` waited for did not come; `cause` is the last failure. */
export class NotInTimeError extends Error {
  constructor(describe: string, withinMs: number, tries: number, last: unknown) {
    const reason = last instanceof Error ? last.message : `the last answer was ${JSON.stringify(last) ?? String(last)}`;
    super(`Not within ${withinMs} ms (${tries} tries): ${describe}. ${reason}`, { cause: last });
    this.name = "NotInTimeError";
  }
}

/** Waits until `check` returns something truthy without throwing, and returns it. For states that send no signal. */
export async function eventually<Result>(
  check: () => Result | Promise<Result>,
  { withinMs = 10_000, describe = "a check holds" }: EventuallyOptions = {},
): Promise<NonNullable<Result>> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  for (let tries = 1; ; tries++) {
    try {
      const result = await check();
      if (result) return result;
      last = result;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) throw new NotInTimeError(describe, withinMs, tries, last);
    // Short at first, for what comes at once; longer later, to leave the cores to what is awaited.
    await new Promise((resolve) => setTimeout(resolve, Math.min(5 * tries, 50)));
  }
}
