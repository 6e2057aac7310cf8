import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { eventually, NatsCluster, type NatsNode } from "@understudy/testkit";

interface Route {
  readonly remote_name: string;
  readonly did_solicit: boolean;
}

async function routesOf(node: NatsNode): Promise<Route[]> {
  const response = await fetch(`${node.monitorUrl}/routez`, { headers: { connection: "close" } });
  return ((await response.json()) as { routes: Route[] | null }).routes ?? [];
}
const peersOf = async (node: NatsNode) => new Set((await routesOf(node)).map((route) => route.remote_name));

describe("a NATS cluster", () => {
  it("makes streams with three copies, and keeps what it acknowledged when a node is killed", async () => {
    const cluster = await NatsCluster.start();
    try {
      const connection = await cluster.connect();
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: "S", subjects: ["s"], num_replicas: 3 });
      // The stream's leader answers a moment later than the one that made it.
      await eventually(() => jetstream(connection).publish("s", "kept"), { describe: "the stream takes a message" });
      const { cluster: placement } = await manager.streams.info("S");
      expect(placement?.replicas).toHaveLength(2);
      // Not the stream's leader: its loss is an election of 5 to 7 s, which is no concern of this test.
      const node = cluster.nodes.find(({ name }) => name !== placement?.leader && name !== "nats-a");
      await node?.kill();
      expect(node?.state).toBe("stopped");
      await node?.start();
      await cluster.usable();
      const message = await eventually(() => manager.streams.getMessage("S", { seq: 1 }));
      expect(message.string()).toBe("kept");
    } finally {
      await cluster.stop();
    }
  }, 60_000);

  it("runs as one node too, refuses strangers and says which sync it runs with", async () => {
    const cluster = await NatsCluster.start({ nodes: 1 });
    try {
      await expect(cluster.connect("stranger", { pass: "wrong", reconnect: false })).rejects.toThrow(/authorization/i);
      const node = cluster.node(0);
      const jsz = (await (await fetch(`${node.monitorUrl}/jsz`)).json()) as { config: Record<string, unknown> };
      expect(jsz.config).toMatchObject({ sync_always: true });
      node.freeze();
      expect(node.state).toBe("frozen");
      node.thaw();
      await (await cluster.connect()).flush();
    } finally {
      await cluster.stop();
    }
  }, 60_000);
});

describe("a NATS cluster whose routes run through links", () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await NatsCluster.start({ links: true });
  }, 60_000);
  afterAll(() => cluster.stop());

  /** Each route connection that a node has was dialled by it or by another one: every one of them through a link. */
  async function expectEveryRouteInALink(): Promise<void> {
    await eventually(
      async () => {
        const dialled = await Promise.all(
          cluster.nodes.map(async (node) => (await routesOf(node)).filter((route) => route.did_solicit).length),
        );
        const ends = await Promise.all(cluster.nodes.map(async (node) => (await routesOf(node)).length));
        let inLinks = 0;
        for (const from of [0, 1, 2])
          for (const to of [0, 1, 2]) if (from !== to) inLinks += cluster.link(from, to).counters.open;
        // Two ends per connection; nodes that are still weighing doubles have more for a moment.
        const connections = ends.reduce((sum, each) => sum + each, 0) / 2;
        expect({ connections, dialledBySomebody: dialled.length > 0 }).toEqual({
          connections: inLinks,
          dialledBySomebody: true,
        });
        return true;
      },
      { withinMs: 15_000, describe: "there are as many routes as connections in links" },
    );
  }

  it("has no route past a link: at the start, and after a node came back", async () => {
    await expectEveryRouteInALink();
    await cluster.node(2).kill();
    await cluster.node(2).start();
    await cluster.usable();
    expect(await Promise.all(cluster.nodes.map(peersOf))).toEqual([
      new Set(["nats-b", "nats-c"]),
      new Set(["nats-a", "nats-c"]),
      new Set(["nats-a", "nats-b"]),
    ]);
    await expectEveryRouteInALink();
  }, 60_000);

  it("really cuts: nothing passes, both sides notice the silence in seconds, and heal joins them again", async () => {
    const at = await Promise.all(
      [0, 1, 2].map((index) => cluster.connect(`at-${index}`, { servers: [cluster.node(index).url] })),
    );
    const heard = at.map(() => new Set<number>());
    for (const [index, connection] of at.entries())
      connection.subscribe("greeting", {
        callback: (_error, message) => void heard[index]?.add(message.json<number>()),
      });
    let last = 0;
    /** Says the next number at node a. */
    const greet = async (): Promise<number> => {
      at[0]?.publish("greeting", JSON.stringify(++last));
      await at[0]?.flush();
      return last;
    };
    const hears = async (index: number) => {
      const number = await greet();
      return eventually(() => heard[index]?.has(number), { withinMs: 100 });
    };
    await eventually(async () => (await hears(1)) && (await hears(2)), { describe: "everybody hears" });

    cluster.cut(0, 1);
    const cutAt = last;
    const heardSinceTheCut = () => [...(heard[1] ?? [])].filter((number) => number > cutAt);
    await eventually(() => hears(2), { describe: "node c hears what node b must not" });
    await eventually(
      async () => !(await peersOf(cluster.node(0))).has("nats-b") && !(await peersOf(cluster.node(1))).has("nats-a"),
      { withinMs: 30_000, describe: "both sides drop the silent route" },
    );
    // Time for gossip to do its worst: c told both where the other one is.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await eventually(() => hears(2), { describe: "node c still hears" });
    expect(heardSinceTheCut()).toEqual([]);

    cluster.heal();
    await eventually(() => hears(1), { withinMs: 15_000, describe: "node b hears again" });
    await cluster.usable();
    await expectEveryRouteInALink();
  }, 60_000);
});
