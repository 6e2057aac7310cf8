import type { Lease, SeenLease } from "./lease.ts";

/** The answer to a compare-and-swap. `unknown`: it may or may not have been carried out. */
export type SwapResult =
  | { readonly kind: "swapped"; readonly revision: number }
  | { readonly kind: "refused" }
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * Where the lease of one role stands. Implementations: NATS KV, and an in-memory twin for simulations; both pass
 * the same conformance suite (`testing/lease-store-conformance.ts`).
 */
export interface LeaseStore {
  /** The entry as some replica has it: possibly stale, so it decides nothing (L1). Rejects when the store is away. */
  read(): Promise<SeenLease | undefined>;
  /** Writes `next` when the entry's revision is `expectedRevision` (0: no entry yet). Never rejects. */
  compareAndSwap(expectedRevision: number, next: Lease): Promise<SwapResult>;
  /** Calls `onChange` with the present entry and each later one, until stopped. Survives outages of the store. */
  watch(onChange: (seen: SeenLease) => void): () => void;
}
