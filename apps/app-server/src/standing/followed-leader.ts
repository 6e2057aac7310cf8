/**
 * The active message server that this instance follows: the highest (term, holder) that it has heard of (L2).
 * Owns nothing else; a restart begins without one, and the first that is heard is followed.
 */
import type { LeaderTerm } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime";

export type TermVerdict =
  /** A new leader: follow it. */
  | "newer"
  /** The one that is followed. */
  | "same"
  | "stale"
  /** The same term claimed by another incarnation: one of the two is wrong, so the first stays. */
  | "contradicts";

export function judgeTerm(known: LeaderTerm | undefined, offered: LeaderTerm): TermVerdict {
  if (known === undefined || offered.term > known.term) return "newer";
  if (offered.term < known.term) return "stale";
  return offered.holder.incarnation === known.holder.incarnation ? "same" : "contradicts";
}

export class FollowedLeader {
  #known: LeaderTerm | undefined;

  get known(): LeaderTerm | undefined {
    return this.#known;
  }

  /** Judges who speaks, and follows a newer one. */
  hear(offered: LeaderTerm): TermVerdict {
    const verdict = judgeTerm(this.#known, offered);
    if (verdict === "newer") this.#known = offered;
    return verdict;
  }

  /** As `hear`, for commands. @throws CallerError `stale-term` unless the leader is followed now (L2) */
  obey(offered: LeaderTerm): "newer" | "same" {
    const verdict = this.hear(offered);
    if (verdict === "newer" || verdict === "same") return verdict;
    const known = `term ${this.#known?.term} of ${this.#known?.holder.id} (${this.#known?.holder.incarnation})`;
    throw new CallerError(
      "stale-term",
      `Term ${offered.term} of ${offered.holder.id} (${offered.holder.incarnation}) is refused: ${known} is followed.`,
    );
  }
}
