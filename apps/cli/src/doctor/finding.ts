/** One thing that is wrong, and what to do about it. */
export interface Finding {
  /** What it is about: an id, a machine, a part. */
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
}

/** A check with what it found; nothing found is good. */
export interface Check {
  readonly name: string;
  /** What was looked at, in a few words. */
  readonly looked: string;
  readonly findings: readonly Finding[];
}

export const check = (name: string, looked: string, findings: readonly Finding[]): Check => ({
  name,
  looked,
  findings,
});
export const finding = (subject: string, problem: string, remedy: string): Finding => ({ subject, problem, remedy });
