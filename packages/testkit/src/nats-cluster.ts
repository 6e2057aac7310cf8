/**
 * A real NATS cluster for one test: JetStream on every node, data in a temporary folder.
 *
 * With `links`, each node reaches each other one through a TCP link of its own (`link(i, j)`: dialled by i), so a
 * test can cut i from j. Which of the two dials wins is up to the nodes; `cut(i, j)` therefore cuts both.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import {
  freePorts,
  jetStreamReady,
  natsServerReady,
  prepareNatsServer,
  type NatsServerOptions,
} from "@understudy/engines";
import { EngineInstance } from "./engine-instance.ts";
import { TcpLink } from "./tcp-link.ts";
import { temporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";

export interface NatsClusterOptions {
  /** 3. A single node runs without a cluster: streams have one copy. */
  readonly nodes?: number;
  readonly links?: boolean;
}

const letters = "abcdefghi";

export class NatsNode extends EngineInstance {
  readonly name: string;
  readonly url: string;
  readonly monitorUrl: string;

  constructor(readonly options: NatsServerOptions) {
    super({
      name: options.name,
      prepare: () => prepareNatsServer(options),
      ready: (signal) => natsServerReady(options, signal),
    });
    this.name = options.name;
    this.url = `nats://127.0.0.1:${options.clientPort}`;
    this.monitorUrl = `http://127.0.0.1:${options.monitorPort}`;
  }
}

interface Ports {
  readonly client: number;
  readonly route: number;
  readonly monitor: number;
}

export class NatsCluster {
  readonly user = "understudy";
  readonly password = "not-a-secret";
  readonly #nodes: NatsNode[] = [];
  readonly #links = new Map<string, TcpLink>();
  readonly #connections: NatsConnection[] = [];
  readonly #folder: TemporaryFolder;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
  }

  /** Starts all nodes and waits until streams with a copy on each node can be made. */
  static async start({ nodes = 3, links = false }: NatsClusterOptions = {}): Promise<NatsCluster> {
    const cluster = new NatsCluster(temporaryFolder("nats"));
    try {
      await cluster.#build(nodes, links);
      await Promise.all(cluster.#nodes.map((node) => node.start()));
      await cluster.usable();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async #build(count: number, withLinks: boolean): Promise<void> {
    const numbers = await freePorts(count * 3);
    const ports = Array.from({ length: count }, (_, index): Ports => {
      const [client = 0, route = 0, monitor = 0] = numbers.slice(index * 3);
      return { client, route, monitor };
    });
    writeFileSync(this.passwordFile, this.password, { mode: 0o600 });
    for (const [from, own] of ports.entries()) {
      const routes: string[] = [];
      for (const [to, other] of ports.entries()) {
        if (from === to) continue;
        let port = other.route;
        if (withLinks) {
          const link = await TcpLink.start({ target: { host: "127.0.0.1", port } });
          this.#links.set(`${from}-${to}`, link);
          port = link.port;
        }
        routes.push(`nats://127.0.0.1:${port}`);
      }
      const name = `nats-${letters[from] ?? from}`;
      this.#nodes.push(
        new NatsNode({
          name,
          cluster: "testkit",
          dataDir: join(this.#folder.path, name),
          clientPort: own.client,
          routePort: own.route,
          monitorPort: own.monitor,
          routes,
          user: this.user,
          password: this.password,
        }),
      );
    }
  }

  /** Client URLs, without credentials. */
  get servers(): string[] {
    return this.#nodes.map(({ url }) => url);
  }

  get nodes(): readonly NatsNode[] {
    return this.#nodes;
  }

  get passwordFile(): string {
    return join(this.#folder.path, "password");
  }

  node(index: number): NatsNode {
    const node = this.#nodes[index];
    if (node === undefined) throw new RangeError(`The cluster has no node ${index}.`);
    return node;
  }

  /** The cable by which node `from` dials node `to`. */
  link(from: number, to: number): TcpLink {
    const link = this.#links.get(`${from}-${to}`);
    if (link === undefined) throw new RangeError(`There is no link from ${from} to ${to}: start with { links: true }.`);
    return link;
  }

  /** Nothing passes between the two nodes any more, whoever dialled. */
  cut(one: number, other: number): void {
    this.link(one, other).cut();
    this.link(other, one).cut();
  }

  /** Cuts one node from all others. Clients still reach it. */
  isolate(index: number): void {
    for (const other of this.#nodes.keys()) if (other !== index) this.cut(index, other);
  }

  /** Ends every cut. */
  heal(): void {
    for (const link of this.#links.values()) link.heal();
  }

  /** Waits until the running nodes have a JetStream leader that sees them all. */
  async usable(withinMs = 30_000): Promise<void> {
    const running = this.#nodes.filter(({ state }) => state === "running").map(({ options }) => options);
    await jetStreamReady(running, AbortSignal.timeout(withinMs));
  }

  /** A client connection to the cluster, closed by `stop`. Reconnects without end. */
  async connect(name = "test", options: ConnectionOptions = {}): Promise<NatsConnection> {
    const connection = await connect({
      servers: this.servers,
      user: this.user,
      pass: this.password,
      name,
      noRandomize: true,
      ignoreClusterUpdates: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      pingInterval: 1_000,
      maxPingOut: 2,
      ...options,
    });
    this.#connections.push(connection);
    return connection;
  }

  /** Ends connections, nodes and links and removes the data. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#connections.map((connection) => connection.close()));
    // The data goes anyway, so nothing is lost by not waiting for an orderly end.
    await Promise.all(this.#nodes.map((node) => node.kill()));
    await Promise.all([...this.#links.values()].map((link) => link.stop()));
    this.#folder.remove();
  }
}
