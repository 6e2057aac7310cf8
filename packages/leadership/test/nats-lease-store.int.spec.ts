import { randomUUID } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { createLog, pause } from "@understudy/runtime";
import { eventually, NatsCluster } from "@understudy/testkit";
import {
  keepLeaseElsewhere,
  leaseBucket,
  leaseStream,
  NatsLeaseStore,
  standardTiming,
  type Lease,
  type SeenLease,
  type SwapResult,
} from "../src/index.ts";
import { describeLeaseStore } from "../src/testing/index.ts";

const log = createLog("silent", "json", {});
const { swapTimeoutMs } = standardTiming;
let roles = 0;
const newRole = () => `role-${(roles += 1)}`;

const leaseOf = (role: string, term: number): Lease => ({
  role,
  term,
  holder: { id: "candidate-a", incarnation: randomUUID(), machine: "machine-a" },
  status: "held",
  renewal: 0,
  since: new Date(0).toISOString(),
});

async function openStore(cluster: NatsCluster, role: string, replicas: number): Promise<NatsLeaseStore> {
  const connection = await cluster.connect(role);
  return NatsLeaseStore.open(connection, { role, replicas, swapTimeoutMs }, log, AbortSignal.timeout(20_000));
}

/** The first lease of a new store. The stream's Raft leader may answer a moment later than the one that made it. */
async function firstLease(store: NatsLeaseStore, role: string): Promise<SeenLease> {
  const lease = leaseOf(role, 1);
  return eventually(async () => {
    const result = await store.compareAndSwap(0, lease);
    return result.kind === "swapped" ? { lease, revision: result.revision } : store.read();
  });
}

const streamLeader = async (cluster: NatsCluster, role: string): Promise<string | undefined> =>
  (await (await jetstreamManager(await cluster.connect())).streams.info(leaseStream(role))).cluster?.leader;

/** Renews as an elector does, knowing only answers and reads. */
async function renewUntilDone(
  store: NatsLeaseStore,
  held: SeenLease,
): Promise<{ held: SeenLease; outcomes: SwapResult["kind"][]; ms: number }> {
  const outcomes: SwapResult["kind"][] = [];
  const startedAt = performance.now();
  for (let current = held; performance.now() - startedAt < 30_000;) {
    const lease = { ...current.lease, renewal: current.lease.renewal + 1 };
    const result = await store.compareAndSwap(current.revision, lease);
    outcomes.push(result.kind);
    if (result.kind === "swapped") {
      return { held: { lease, revision: result.revision }, outcomes, ms: performance.now() - startedAt };
    }
    await pause(100); // As an elector's ticks.
    current = (await store.read().catch(() => undefined)) ?? current;
  }
  throw new Error(`No renewal succeeded in 30 s: ${outcomes.join(", ")}`);
}

describe("one NATS node", () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await NatsCluster.start({ nodes: 1 });
  });
  afterAll(() => cluster.stop());

  describeLeaseStore("NatsLeaseStore with one copy", () => openStore(cluster, newRole(), 1));

  it("keeps every field of a released lease", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 1);
    const lease: Lease = { ...leaseOf(role, 3), status: "released", handTo: "candidate-b", renewal: 12 };
    await store.compareAndSwap(0, lease);
    expect((await store.read())?.lease).toEqual(lease);
  });

  it("opens the same lease for each who asks at once", async () => {
    const role = newRole();
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(cluster, role, 1)));
    const results = await Promise.all(stores.map((store) => store.compareAndSwap(0, leaseOf(role, 1))));
    expect(results.map(({ kind }) => kind).toSorted()).toEqual(["refused", "refused", "refused", "swapped"]);
  });

  it("begins anew, for one alone, where somebody deleted the lease by hand", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 1);
    const first = await firstLease(store, role);
    const bucket = await new Kvm(await cluster.connect()).open(leaseBucket(role));
    await bucket.delete("lease");
    expect(await store.read()).toBeUndefined();
    expect(await store.compareAndSwap(first.revision, leaseOf(role, 2))).toEqual({ kind: "refused" });
    const results = await Promise.all([2, 3, 4].map((term) => store.compareAndSwap(0, leaseOf(role, term))));
    expect(results.filter(({ kind }) => kind === "swapped")).toHaveLength(1);
    expect(await store.compareAndSwap(0, leaseOf(role, 9))).toEqual({ kind: "refused" });
  });

  it("stops a watch also when it is told so before it began: nobody listens any more", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 1);
    const manager = await jetstreamManager(await cluster.connect());
    // The library leaves the consumers to the server, which drops them when nobody listens for 5 min.
    const nobodyListens = (consumers: number) =>
      eventually(async () => {
        const list = await manager.consumers.list(leaseStream(role)).next();
        return list.length === consumers && list.every((consumer) => !consumer.push_bound);
      });
    const seen: number[] = [];
    store.watch(({ lease }) => seen.push(lease.term))();
    await nobodyListens(1);
    const first = await firstLease(store, role);
    const stop = store.watch(({ lease }) => seen.push(lease.term));
    await eventually(() => seen.length === 1);
    stop();
    await store.compareAndSwap(first.revision, leaseOf(role, 2));
    await nobodyListens(2);
    expect(seen).toEqual([1]);
  });

  it("answers unknown, and rejects nothing, while NATS is away; then goes on, the watch too", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 1);
    const first = await firstLease(store, role);
    const seen: number[] = [];
    const stop = store.watch(({ revision }) => seen.push(revision));
    await eventually(() => seen.length === 1);
    await cluster.node(0).kill();
    expect((await store.compareAndSwap(first.revision, first.lease)).kind).toBe("unknown");
    await expect(store.read()).rejects.toThrow();
    await cluster.node(0).start();
    await cluster.usable();
    const { held } = await renewUntilDone(store, first);
    await eventually(() => seen.at(-1) === held.revision, { describe: "the watch shows the renewal" });
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b));
    stop();
  });
});

describe("three NATS nodes", () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await NatsCluster.start();
  });
  afterAll(() => cluster.stop());

  describeLeaseStore("NatsLeaseStore with three copies", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 3);
    // The new stream's own election comes first.
    await eventually(async () => (await streamLeader(cluster, role)) !== undefined);
    await eventually(() =>
      store.read().then(
        () => true,
        () => false,
      ),
    );
    return store;
  });

  it("moves the lease's Raft leader off the machine of the role's leader (L6)", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 3);
    const first = await firstLease(store, role);
    const connection = await cluster.connect();
    const before = await eventually(() => streamLeader(cluster, role));
    const elsewhere = cluster.nodes.map(({ name }) => name).find((name) => name !== before) as string;
    expect(await keepLeaseElsewhere(connection, role, elsewhere)).toBe(before);
    expect(await streamLeader(cluster, role)).toBe(before);
    const target = await eventually(() => keepLeaseElsewhere(connection, role, before));
    expect(target).not.toBe(before);
    await eventually(async () => (await streamLeader(cluster, role)) === target);
    // A planned move costs no election of seconds: the next renewal comes through without a time-out.
    const { ms, outcomes } = await renewUntilDone(store, first);
    expect(outcomes).toEqual(["swapped"]);
    expect(ms).toBeLessThan(swapTimeoutMs);
  });

  it("the loss of a node that follows is not felt", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 3);
    const first = await firstLease(store, role);
    const leader = await eventually(() => streamLeader(cluster, role));
    // The client's own node is the first: another one.
    const victim = cluster.nodes.find(({ name }) => name !== leader && name !== "nats-a");
    await victim?.kill();
    const { outcomes } = await renewUntilDone(store, first);
    expect(outcomes).toEqual(["swapped"]);
    await victim?.start();
    await cluster.usable();
  });

  it("the loss of its Raft leader makes outcomes unknown for less than a leader may act, and the watch goes on", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 3);
    let held = await firstLease(store, role);
    const seen: number[] = [];
    const stop = store.watch(({ revision }) => seen.push(revision));
    await eventually(() => seen.length > 0);
    const leader = await eventually(() => streamLeader(cluster, role));
    const victim = cluster.nodes.find(({ name }) => name === leader);
    await victim?.kill();
    const renewal = await renewUntilDone(store, held);
    held = renewal.held;
    expect(renewal.ms).toBeLessThan(standardTiming.actForMs - standardTiming.renewEveryMs);
    // Its consumer may have been lost with the node; the elector's reads, every 2 s, find that out.
    const shown = () =>
      eventually(async () => {
        const isShown = seen.at(-1) === held.revision;
        if (!isShown) await Promise.all([store.read(), pause(200)]);
        return isShown;
      });
    await shown();
    await victim?.start();
    await cluster.usable();
    held = (await renewUntilDone(store, held)).held;
    await shown();
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b));
    stop();
  });

  it("without a majority nothing is swapped, and nothing that was refused is lost afterwards", async () => {
    const role = newRole();
    const store = await openStore(cluster, role, 3);
    const first = await firstLease(store, role);
    const [, second, third] = cluster.nodes;
    await Promise.all([second?.kill(), third?.kill()]);
    expect((await store.compareAndSwap(first.revision, leaseOf(role, 2))).kind).toBe("unknown");
    await Promise.all([second?.start(), third?.start()]);
    await cluster.usable();
    // It may still be carried out, once: whoever goes on must take either for possible.
    const { held } = await renewUntilDone(store, first);
    expect([1, 2]).toContain(held.lease.term);
    expect((await store.read())?.lease.term).toBe(held.lease.term);
  });
});
