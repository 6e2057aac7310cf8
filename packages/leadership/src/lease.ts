import { instanceRef, name, type InstanceRef, type LeaderTerm } from "@understudy/contracts";
import { z } from "zod";

/** The lease of one role, as it stands in its store (L1). It has no TTL: it changes hands only by compare-and-swap. */
export const lease = z.object({
  role: name,
  term: z.int().positive(),
  holder: instanceRef.extend({ machine: name }),
  /** released: the holder gave it away on purpose and no longer acts. */
  status: z.enum(["held", "released"]),
  /** Whom a released lease is meant for; anybody when absent. */
  handTo: name.optional(),
  /** What the entry carries beside the lease; the role's own business, opaque here, changed by the holder alone (D2). */
  content: z.unknown().optional(),
  /** Rises with each change of the content. */
  contentVersion: z.int().nonnegative().optional(),
  /** Counts renewals, so that each write differs. */
  renewal: z.int().nonnegative(),
  /** Wall clock of the first write of this term; for people only, nothing is decided by it. */
  since: z.string(),
});
export type Lease = z.infer<typeof lease>;

/** A lease with the store's revision at which it was seen. */
export interface SeenLease {
  readonly lease: Lease;
  readonly revision: number;
}

export const isHeldBy = (seen: SeenLease | undefined, instance: InstanceRef): boolean =>
  seen !== undefined && seen.lease.holder.incarnation === instance.incarnation && seen.lease.holder.id === instance.id;

export const leaderTermOf = ({ lease: { term, holder } }: SeenLease): LeaderTerm => ({
  term,
  holder: { id: holder.id, incarnation: holder.incarnation },
});
