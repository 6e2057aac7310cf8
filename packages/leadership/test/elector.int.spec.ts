import type { LeaderTerm } from "@understudy/contracts";
import { createLog, Identity } from "@understudy/runtime";
import { eventually, NatsCluster } from "@understudy/testkit";
import { Elector, NatsLeaseStore, standardTiming } from "../src/index.ts";

const log = createLog("silent", "json", {});

describe("electors on real NATS", () => {
  let cluster: NatsCluster;
  const electors: Elector[] = [];
  beforeAll(async () => {
    cluster = await NatsCluster.start({ links: true });
  }, 60_000);
  afterEach(() => {
    for (const elector of electors.splice(0)) elector.stop();
  });
  afterAll(() => cluster.stop());

  const electorOn = async (role: string, id: string, servers = cluster.servers): Promise<Elector> => {
    const connection = await cluster.connect(id, { servers });
    const { swapTimeoutMs } = standardTiming;
    const signal = AbortSignal.timeout(20_000);
    const store = await NatsLeaseStore.open(connection, { role, replicas: 3, swapTimeoutMs }, log, signal);
    const identity = new Identity({ kind: "message-server", id, cluster: "c", site: "s", machine: `machine-${id}` });
    const elector = new Elector({ role, identity, store, log });
    electors.push(elector);
    return elector;
  };
  const gains = (elector: Elector) =>
    new Promise<LeaderTerm>((resolve) => elector.once("lead", (leader) => resolve(leader)));

  it("hand the lease to and fro: each term once, never two that act, the one named comes next", async () => {
    const electorsById = new Map<string, Elector>();
    for (const id of ["a", "b", "c"]) electorsById.set(id, await electorOn("to-and-fro", id));
    const terms: number[] = [];
    const acting: number[] = [];
    for (const elector of electorsById.values()) {
      elector.on("lead", ({ term }) => {
        terms.push(term);
        acting.push(electors.filter(({ leading }) => leading !== undefined).length);
      });
      elector.start();
    }
    await eventually(() => terms.length === 1, { withinMs: 30_000 });
    const order = ["a", "b", "c"];
    for (let round = 0; round < 12; round++) {
      const leader = electors.find(({ leading }) => leading !== undefined) as Elector;
      const next = order.find((id, at) => electorsById.get(id) !== leader && at >= round % 2) as string;
      const gained = gains(electorsById.get(next) as Elector);
      await leader.handOver(next);
      expect((await gained).holder.id).toBe(next);
    }
    expect(terms).toEqual(Array.from({ length: 13 }, (_, index) => index + 1));
    expect(acting).toEqual(terms.map(() => 1));
  }, 60_000);

  it("take over on silence alone only after the old leader stopped by itself, cut off with its NATS node", async () => {
    // a knows only the node that is cut off; b only the others.
    const a = await electorOn("silence", "a", [cluster.node(0).url]);
    const b = await electorOn("silence", "b", [cluster.node(1).url, cluster.node(2).url]);
    const first = gains(a);
    a.start();
    await first;
    const shown = new Promise((resolve) => b.once("lease", resolve));
    b.start();
    await shown;
    const lost = new Promise<number>((resolve) => a.once("lose", () => resolve(performance.now())));
    const gained = new Promise<{ at: number; kind: string | undefined; aActs: boolean }>((resolve) =>
      b.once("lead", (_, evidence) =>
        resolve({ at: performance.now(), kind: evidence[0]?.kind, aActs: a.leading !== undefined }),
      ),
    );
    const cutAt = performance.now();
    cluster.isolate(0);
    const lostAt = await lost;
    const { at, kind, aActs } = await gained;
    expect(kind).toBe("lease-expired");
    expect(aActs).toBe(false);
    expect(lostAt).toBeLessThan(at);
    // The last renewal that was seen may be as old as one period when the cut came.
    expect(at - cutAt).toBeGreaterThan(standardTiming.silenceMs - 2 * standardTiming.renewEveryMs);
    cluster.heal();
    await eventually(() => a.seen?.lease.term === 2, { withinMs: 30_000 });
    expect(a.leading).toBeUndefined();
    expect(b.leading?.term).toBe(2);
  }, 90_000);
});
