/** Our balancer as it runs in a cluster: the built service, a real NATS node, a routing table published to it. */
import { randomUUID } from "node:crypto";
import { routingPublished, type RoutingTable } from "@understudy/contracts";
import { publish } from "@understudy/runtime/messages";
import { eventually, NatsCluster, ServiceProcess } from "@understudy/testkit";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Contestant } from "./contestants.ts";

const publishEveryMs = 500;
const machine = "machine-a";

/** What the message server would do: a fresh table every 500 ms. Both backends stay in it, dead or alive. */
export class RoutingSource {
  readonly #timer: NodeJS.Timeout;
  readonly #leader = { term: 1, holder: { id: "message-server-a", incarnation: randomUUID() } };
  readonly #incarnations: readonly string[];
  #version = 1;

  private constructor(
    private readonly nats: NatsCluster,
    private readonly connection: NatsConnection,
    private readonly backends: readonly number[],
  ) {
    this.#incarnations = backends.map(() => randomUUID());
    this.#timer = setInterval(() => this.#publish(), publishEveryMs);
    this.#publish();
  }

  static async start(backends: readonly number[]): Promise<RoutingSource> {
    const nats = await NatsCluster.start({ nodes: 1 });
    return new RoutingSource(nats, await nats.connect("bench"), backends);
  }

  async startBalancer(): Promise<Contestant> {
    const service = await ServiceProcess.start({
      service: "@understudy/load-balancer",
      environment: {
        UNDERSTUDY_ID: "load-balancer-b",
        UNDERSTUDY_MACHINE: machine,
        UNDERSTUDY_NATS_SERVERS: this.nats.servers.join(","),
        UNDERSTUDY_NATS_USER: this.nats.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: this.nats.passwordFile,
        UNDERSTUDY_LOG_LEVEL: "warn",
      },
    });
    await eventually(() => service.messages.some((said) => said.type === "accepts-connections" && said.accepts), {
      describe: "the balancer has a routing table",
    });
    return {
      port: Number(new URL((await service.said("serving")).url).port),
      pid: service.pid as number,
      stop: async () => {
        await service.terminate();
      },
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.nats.stop();
  }

  #publish(): void {
    const table: RoutingTable = {
      leader: this.#leader,
      version: this.#version++,
      issuedAt: Date.now(),
      servers: this.backends.map((port, index) => ({
        id: `app-server-${index}`,
        incarnation: this.#incarnations[index] as string,
        machine,
        url: `http://127.0.0.1:${port}`,
        state: "accepting",
        load: 0,
        capacity: 100,
      })),
    };
    publish(this.connection, routingPublished, table);
  }
}
