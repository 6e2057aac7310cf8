/**
 * Which standby is promoted when commits wait for `count` of several (ANY k, D3).
 *
 * A commit that was acknowledged is on the primary and on some `count` of its `standbys`. Of n standbys any
 * n - count + 1 contain at least one of those, so when that many have confirmed that they no longer receive from an
 * older term, the one of them that has flushed furthest on the newest timeline has every acknowledged commit: nothing
 * can be acknowledged any more that it lacks, since a further one would need `count` standbys that still receive.
 *
 * Where commits wait for all standbys (count = n) one confirmation is enough, and the candidate's own is that one: it
 * stops receiving when it is promoted.
 *
 * A confirmation is bound to one revision of the lease: whoever gave it receives nothing until it has seen a newer one,
 * and the promotion swaps that very revision. So a leader that lives and renews makes all confirmations void at once.
 */
export interface Confirmation {
  readonly member: string;
  /** It receives from no primary until it has seen a newer revision of the lease than this one. */
  readonly revision: number;
  readonly timeline: number;
  readonly flushedAt: bigint;
}

export interface Quorum {
  readonly count: number;
  readonly standbys: readonly string[];
}

export type PromotionVerdict =
  | { readonly kind: "wait"; readonly missing: number }
  /** Any of these: none has flushed further. */
  | { readonly kind: "promote"; readonly members: readonly string[] };

/** Confirmations without which nobody is promoted; more than there are standbys: nobody can be. */
export const confirmationsNeeded = ({ count, standbys }: Quorum): number => standbys.length - count + 1;

/** @param revision of the lease that is to be taken */
export function promotionVerdict(
  quorum: Quorum,
  confirmations: readonly Confirmation[],
  revision: number,
): PromotionVerdict {
  const valid = new Map<string, Confirmation>();
  for (const confirmation of confirmations) {
    if (confirmation.revision !== revision || !quorum.standbys.includes(confirmation.member)) continue;
    const known = valid.get(confirmation.member);
    if (known === undefined || isFurther(confirmation, known)) valid.set(confirmation.member, confirmation);
  }
  const needed = confirmationsNeeded(quorum);
  if (valid.size < needed) return { kind: "wait", missing: needed - valid.size };
  const all = [...valid.values()];
  const furthest = all.filter((each) => !all.some((other) => isFurther(other, each)));
  return { kind: "promote", members: furthest.map(({ member }) => member) };
}

const isFurther = (one: Confirmation, other: Confirmation): boolean =>
  one.timeline !== other.timeline ? one.timeline > other.timeline : one.flushedAt > other.flushedAt;
