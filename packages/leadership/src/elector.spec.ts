import type { LeaderTerm } from "@understudy/contracts";
import { createLog, Identity } from "@understudy/runtime";
import { Elector, type ElectorOptions } from "./elector.ts";
import type { Lease, SeenLease } from "./lease.ts";
import type { SwapResult } from "./lease-store.ts";
import { InMemoryLeaseStore } from "./testing/in-memory-lease-store.ts";
import { standardTiming } from "./timing.ts";

const log = createLog("silent", "json", {});
const identityOf = (id: string) =>
  new Identity({ kind: "message-server", id, cluster: "c", site: "s", machine: `machine-of-${id}` });

/** A store whose swaps and reads can be held back, to see what happens meanwhile. */
class HeldStore extends InMemoryLeaseStore {
  #gate: Promise<void> = Promise.resolve();

  hold(): () => void {
    let open: () => void = () => undefined;
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  }

  override async compareAndSwap(expectedRevision: number, next: Lease): Promise<SwapResult> {
    await this.#gate;
    return super.compareAndSwap(expectedRevision, next);
  }
}

describe("an elector", () => {
  const electors: Elector[] = [];
  const electorOn = (store: InMemoryLeaseStore, id: string, options: Partial<ElectorOptions> = {}): Elector => {
    const elector = new Elector({ role: "role", identity: identityOf(id), store, log, ...options });
    electors.push(elector);
    return elector;
  };
  const leads = (elector: Elector) =>
    new Promise<LeaderTerm>((resolve) => elector.once("lead", (leader) => resolve(leader)));
  afterEach(() => {
    for (const elector of electors.splice(0)) elector.stop();
  });

  it("leads a role that nobody has, and only one of two does", async () => {
    const store = new InMemoryLeaseStore();
    const a = electorOn(store, "a");
    const first = leads(a);
    a.start();
    expect(await first).toMatchObject({ term: 1, holder: { id: "a" } });
    expect(a.leading).toEqual(await first);
    expect(a.assertLeading(await first)).toEqual(await first);
    const b = electorOn(store, "b");
    const shown = new Promise<SeenLease>((resolve) => b.once("lease", resolve));
    b.start();
    expect((await shown).lease.holder.id).toBe("a");
    expect(b.leading).toBeUndefined();
    expect(() => b.assertLeading()).toThrow("b does not lead role");
    expect(() => a.assertLeading({ term: 2, holder: { id: "a", incarnation: "x" } })).toThrow("a does not lead role");
  });

  it("hands over to the one named without a moment in which both may act", async () => {
    const store = new InMemoryLeaseStore();
    const a = electorOn(store, "a");
    const b = electorOn(store, "b");
    const c = electorOn(store, "c");
    const first = leads(a);
    a.start();
    await first;
    b.start();
    c.start();
    const events: string[] = [];
    a.on("lose", (_, reason) => events.push(`a lost: ${reason}`));
    b.on("lead", () => events.push(`b leads, a ${a.leading === undefined ? "does not act" : "acts"}`));
    c.on("lead", () => events.push("c leads"));
    const second = leads(b);
    await a.handOver("b");
    const { term } = await second;
    expect(term).toBe(2);
    expect(events).toEqual(["a lost: handed over", "b leads, a does not act"]);
  });

  it("tells a new leader whom it follows, and why", async () => {
    const store = new InMemoryLeaseStore();
    store.swapNow(0, {
      role: "role",
      term: 7,
      holder: { id: "old", incarnation: "0197a1c0-0000-7000-8000-000000000000", machine: "m" },
      status: "held",
      renewal: 0,
      since: "",
    });
    const a = electorOn(store, "a");
    const led = new Promise<unknown[]>((resolve) => a.once("lead", (...told) => resolve(told)));
    const shown = new Promise((resolve) => a.once("lease", resolve));
    a.start();
    await shown;
    const evidence = [{ kind: "exit", at: 1, observer: "supervisor" }] as const;
    a.hint("0197a1c0-0000-7000-8000-000000000000", evidence);
    expect(await led).toMatchObject([{ term: 8 }, evidence, { lease: { holder: { id: "old" } } }]);
  });

  it("that stops while it tries for the lease waits for the answer, and gives away what it won", async () => {
    const store = new HeldStore();
    let isEligible = true;
    const a = electorOn(store, "a", { isEligible: () => isEligible });
    const open = store.hold();
    const asked = new Promise<void>((resolve) => {
      const swap = store.compareAndSwap.bind(store);
      store.compareAndSwap = (...parameters) => {
        resolve();
        return swap(...parameters);
      };
    });
    a.start();
    await asked;
    isEligible = false;
    const given = a.handOver();
    open();
    await given;
    expect(store.peek()?.lease).toMatchObject({ term: 1, status: "released" });
    expect(a.leading).toBeUndefined();
  });

  it("says so when the lease cannot be given away, and does not act all the same", async () => {
    const store = new HeldStore();
    const a = electorOn(store, "a");
    const first = leads(a);
    a.start();
    await first;
    store.hold();
    const given = a.handOver();
    expect(a.leading).toBeUndefined();
    await expect(given).rejects.toThrow("could not be given away within 5 s");
  }, 20_000);

  it("does nothing when it is told to hand over what it does not have", async () => {
    const store = new InMemoryLeaseStore();
    const a = electorOn(store, "a", { isEligible: () => false });
    a.start();
    await a.handOver();
    expect(store.peek()).toBeUndefined();
  });

  it("is stopped by no listener that throws", async () => {
    const store = new InMemoryLeaseStore();
    const a = electorOn(store, "a");
    for (const event of ["lead", "lose", "lease", "released"] as const) {
      a.on(event, () => {
        throw new Error(`a broken ${event} listener`);
      });
    }
    const first = leads(a);
    a.start();
    await first;
    await a.handOver();
    expect(store.peek()?.lease.status).toBe("released");
  });

  it("shows each change of the lease once, in order, whatever replicas it reads", async () => {
    const store = new InMemoryLeaseStore();
    const stale: SeenLease[] = [];
    store.read = () => Promise.resolve(stale[0] ?? store.peek());
    const a = electorOn(store, "a");
    const b = electorOn(store, "b");
    const revisions: number[] = [];
    b.on("lease", ({ revision }) => revisions.push(revision));
    const first = leads(a);
    a.start();
    await first;
    stale.push(store.peek() as SeenLease);
    b.start();
    const second = leads(b);
    await a.handOver("b");
    await second;
    expect(revisions).toEqual([...new Set(revisions)].toSorted((one, two) => one - two));
    expect(revisions.at(-1)).toBe(3);
  });

  it("reads again until the store answers", async () => {
    const store = new InMemoryLeaseStore();
    let failures = 0;
    store.read = () => {
      failures += 1;
      return failures < 3 ? Promise.reject(new Error("the store is away")) : Promise.resolve(store.peek());
    };
    const a = electorOn(store, "a");
    const first = leads(a);
    a.start();
    expect((await first).term).toBe(1);
    expect(failures).toBe(3);
  });

  it("does not storm a store that refuses at once, as a stream without a Raft leader does", async () => {
    const store = new InMemoryLeaseStore();
    let asked = 0;
    let onEnough: () => void = () => undefined;
    const enough = new Promise<void>((resolve) => {
      onEnough = resolve;
    });
    const swap = store.compareAndSwap.bind(store);
    store.compareAndSwap = (...parameters) => {
      asked += 1;
      if (asked < 10) return Promise.resolve({ kind: "unknown", reason: "503" });
      onEnough();
      return swap(...parameters);
    };
    const a = electorOn(store, "a");
    const first = leads(a);
    const startedAt = performance.now();
    a.start();
    await enough;
    expect(performance.now() - startedAt).toBeGreaterThan(9 * 20);
    expect((await first).term).toBe(1);
  });

  it("refuses a timing that contradicts itself", () => {
    const timing = { ...standardTiming, silenceMs: 5_000 };
    expect(() => electorOn(new InMemoryLeaseStore(), "a", { timing })).toThrow(RangeError);
  });
});
