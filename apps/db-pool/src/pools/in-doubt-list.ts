/** Commits that were in doubt, each once, with how it ended. Pure. */
import type { InDoubtCommit } from "@understudy/contracts";

const keptMost = 1_000;

const keyOf = ({ database, operation, attempt }: InDoubtCommit): string => `${database} ${operation} ${attempt}`;

/** An end is never replaced by an "open" that came late; an end that is certain never by "unknown". */
function isBetter(next: InDoubtCommit, known: InDoubtCommit | undefined): boolean {
  const weight = { open: 0, unknown: 1, committed: 2, "not-committed": 2 };
  return known === undefined || weight[next.outcome] > weight[known.outcome];
}

export class InDoubtList {
  readonly #commits = new Map<string, InDoubtCommit>();

  add(commit: InDoubtCommit): void {
    const key = keyOf(commit);
    const known = this.#commits.get(key);
    if (!isBetter(commit, known)) return;
    this.#commits.set(key, known === undefined ? commit : { ...commit, since: Math.min(known.since, commit.since) });
    if (this.#commits.size <= keptMost) return;
    // Those that ended go first; what is open must be seen.
    const victim = [...this.#commits].find(([, { outcome }]) => outcome !== "open") ?? [...this.#commits][0];
    if (victim !== undefined) this.#commits.delete(victim[0]);
  }

  /** Oldest first. */
  get all(): InDoubtCommit[] {
    return [...this.#commits.values()].sort((one, other) => one.since - other.since);
  }
}
