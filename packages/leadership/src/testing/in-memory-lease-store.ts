import type { Lease, SeenLease } from "../lease.ts";
import type { LeaseStore, SwapResult } from "../lease-store.ts";

/** The lease store's twin without a network: same rules, at once. For simulations and unit tests. */
export class InMemoryLeaseStore implements LeaseStore {
  #entry: SeenLease | undefined;
  #revision = 0;
  readonly #watchers = new Set<(seen: SeenLease) => void>();

  read(): Promise<SeenLease | undefined> {
    return Promise.resolve(this.#entry);
  }

  /** The present entry without a promise, for simulations that carry it through a network of their own. */
  peek(): SeenLease | undefined {
    return this.#entry;
  }

  compareAndSwap(expectedRevision: number, next: Lease): Promise<SwapResult> {
    return Promise.resolve(this.swapNow(expectedRevision, next));
  }

  swapNow(expectedRevision: number, next: Lease): SwapResult {
    if ((this.#entry?.revision ?? 0) !== expectedRevision) return { kind: "refused" };
    this.#revision += 1;
    this.#entry = { lease: { ...next, holder: { ...next.holder } }, revision: this.#revision };
    const seen = this.#entry;
    for (const watcher of this.#watchers) queueMicrotask(() => this.#watchers.has(watcher) && watcher(seen));
    return { kind: "swapped", revision: this.#revision };
  }

  watch(onChange: (seen: SeenLease) => void): () => void {
    this.#watchers.add(onChange);
    const present = this.#entry;
    if (present !== undefined) queueMicrotask(() => this.#watchers.has(onChange) && onChange(present));
    return () => this.#watchers.delete(onChange);
  }
}
