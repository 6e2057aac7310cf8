/**
 * Which standby is promoted when commits wait for `count` of several (ANY k, D3).
 *
 * A commit that was acknowledged is on the primary and on some `count` of its `standbys`. Of n standbys any
 * n - count + 1 contain at least one of those, so when that many have confirmed that they no longer receive from an
 * older term, the one of them that has flushed furthest on the newest timeline has every acknowledged commit: nothing
 * can be acknowledged any more that it lacks, since a further one would need `count` standbys that still receive.
 *
 * The keepers of today let commits wait for all standbys in sync (count = n), where one confirmation is enough and the
 * candidate's own is that one: it stops receiving when it is promoted.
 */
export interface Confirmation {
  readonly member: string;
  /** It receives from no primary of an older term, and will not again. */
  readonly stoppedAtTerm: number;
  readonly timeline: number;
  readonly flushedAt: bigint;
}

export interface Quorum {
  readonly count: number;
  readonly standbys: readonly string[];
}

export type PromotionVerdict =
  | { readonly kind: "wait"; readonly missing: number }
  | { readonly kind: "promote"; readonly member: string };

/** @param term the term under which somebody is to be promoted */
export function promotionVerdict(
  { count, standbys }: Quorum,
  confirmations: readonly Confirmation[],
  term: number,
): PromotionVerdict {
  const valid = new Map<string, Confirmation>();
  for (const confirmation of confirmations) {
    if (confirmation.stoppedAtTerm < term || !standbys.includes(confirmation.member)) continue;
    const known = valid.get(confirmation.member);
    if (known === undefined || isFurther(confirmation, known)) valid.set(confirmation.member, confirmation);
  }
  const needed = standbys.length - count + 1;
  if (valid.size < needed) return { kind: "wait", missing: needed - valid.size };
  const [first, ...others] = valid.values();
  if (first === undefined) return { kind: "wait", missing: needed };
  return {
    kind: "promote",
    member: others.reduce((best, each) => (isFurther(each, best) ? each : best), first).member,
  };
}

const isFurther = (one: Confirmation, other: Confirmation): boolean =>
  one.timeline !== other.timeline ? one.timeline > other.timeline : one.flushedAt > other.flushedAt;
