import { randomUUID } from "node:crypto";
import type { Lease, SeenLease } from "../lease.ts";
import type { LeaseStore } from "../lease-store.ts";

const leaseOf = (term: number, id = "candidate-a", renewal = 0): Lease => ({
  role: "conformance",
  term,
  holder: { id, incarnation: randomUUID(), machine: "machine-a" },
  status: "held",
  renewal,
  since: new Date(0).toISOString(),
});

/** What every lease store must do. `open` gives a new, empty store of its own to each test. */
export function describeLeaseStore(name: string, open: () => Promise<LeaseStore>): void {
  describe(`${name} as a lease store`, () => {
    it("is empty at first and takes the first lease at revision 0", async () => {
      const store = await open();
      expect(await store.read()).toBeUndefined();
      const first = leaseOf(1);
      const result = await store.compareAndSwap(0, first);
      expect(result.kind).toBe("swapped");
      expect((await store.read())?.lease).toEqual(first);
    });

    it("refuses a second first lease", async () => {
      const store = await open();
      await store.compareAndSwap(0, leaseOf(1));
      expect(await store.compareAndSwap(0, leaseOf(1, "candidate-b"))).toEqual({ kind: "refused" });
    });

    it("swaps from the present revision only, and revisions rise", async () => {
      const store = await open();
      const first = await store.compareAndSwap(0, leaseOf(1));
      if (first.kind !== "swapped") throw new Error("the first swap failed");
      const second = await store.compareAndSwap(first.revision, leaseOf(2));
      if (second.kind !== "swapped") throw new Error("the second swap failed");
      expect(second.revision).toBeGreaterThan(first.revision);
      expect(await store.compareAndSwap(first.revision, leaseOf(3))).toEqual({ kind: "refused" });
      expect((await store.read())?.lease.term).toBe(2);
    });

    it("lets exactly one of many candidates win a race", async () => {
      const store = await open();
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, index) => store.compareAndSwap(0, leaseOf(1, `candidate-${index}`))),
      );
      expect(results.filter(({ kind }) => kind === "swapped")).toHaveLength(1);
    });

    it("shows watchers the present lease and each change in order, until they stop", async () => {
      const store = await open();
      const first = await store.compareAndSwap(0, leaseOf(1));
      if (first.kind !== "swapped") throw new Error("the first swap failed");
      const terms: number[] = [];
      let notify: () => void = () => undefined;
      const stop = store.watch((seen: SeenLease) => {
        terms.push(seen.lease.term);
        notify();
      });
      const reaches = (term: number) =>
        new Promise<void>((resolve) => {
          notify = () => terms.at(-1) === term && resolve();
          notify();
        });
      await reaches(1);
      const second = await store.compareAndSwap(first.revision, leaseOf(2));
      if (second.kind !== "swapped") throw new Error("the second swap failed");
      await reaches(2);
      stop();
      await store.compareAndSwap(second.revision, leaseOf(3));
      expect((await store.read())?.lease.term).toBe(3);
      expect(terms.toSorted((a, b) => a - b)).toEqual(terms);
      expect(terms.at(-1)).toBe(2);
    });
  });
}
