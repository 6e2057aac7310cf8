/**
 * Tells the cluster that a process is gone, at once and through every NATS node that its machine reaches.
 *
 * It owns one connection per node, so that the node that dies together with a service takes no evidence with it. A
 * supervisor of a real machine that is cut off reaches its own node only; so it is here, and the others hear of the
 * exit when the cut is healed. A receiver gets up to one copy per node and compares incarnations.
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { exitEvidence, type ExitEvidence } from "@understudy/contracts";
import { publish } from "@understudy/runtime/messages";
import { loginOptions, type NatsLogin } from "@understudy/runtime/nats-login";
import { Backoff, pause } from "@understudy/runtime/wait";

export interface EvidenceNode {
  readonly id: string;
  readonly machine: string;
  readonly url: string;
}

interface Link {
  readonly node: EvidenceNode;
  readonly connection: NatsConnection;
  connected: boolean;
}

interface Unheard {
  readonly evidence: ExitEvidence;
  /** Ids of the nodes that still have to get it. */
  readonly missing: Set<string>;
}

/** Later it is of no use: by then silence has told the same. */
const keptMs = 60_000;
const keptMost = 500;

export class EvidenceReporter {
  readonly #links = new Map<string, Link>();
  readonly #abort = new AbortController();
  #unheard: Unheard[] = [];

  constructor(
    private readonly nodes: readonly EvidenceNode[],
    private readonly login: NatsLogin,
    /** Whether a machine is cut off from the others. */
    private readonly isCut: (machine: string) => boolean,
  ) {}

  start(): void {
    for (const node of this.nodes) void this.#open(node);
  }

  report(evidence: ExitEvidence): void {
    this.#unheard.push({ evidence, missing: new Set(this.nodes.map(({ id }) => id)) });
    if (this.#unheard.length > keptMost) this.#unheard.shift();
    this.deliver();
  }

  /** Sends what could not be sent before; called again when a node or a cut machine is back. */
  deliver(): void {
    const oldest = Date.now() - keptMs;
    this.#unheard = this.#unheard.filter(({ evidence, missing }) => {
      for (const id of missing) {
        const link = this.#links.get(id);
        if (link?.connected !== true || !this.#reaches(evidence.machine, link.node)) continue;
        publish(link.connection, exitEvidence, evidence);
        missing.delete(id);
      }
      return missing.size > 0 && evidence.at > oldest;
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled([...this.#links.values()].map(({ connection }) => connection.close()));
  }

  #reaches(machine: string, node: EvidenceNode): boolean {
    return node.machine === machine || (!this.isCut(machine) && !this.isCut(node.machine));
  }

  async #open(node: EvidenceNode): Promise<void> {
    const backoff = new Backoff(50, 1_000);
    while (!this.#abort.signal.aborted) {
      try {
        const connection = await connect({
          servers: [node.url],
          name: "supervisor",
          ...loginOptions(this.login),
          ignoreClusterUpdates: true,
          maxReconnectAttempts: -1,
          reconnectTimeWait: 200,
          pingInterval: 2_000,
          maxPingOut: 2,
          timeout: 2_000,
        });
        if (this.#abort.signal.aborted) return await connection.close();
        return await this.#follow({ node, connection, connected: true });
      } catch {
        // The node starts, or is down: both are normal.
        await pause(backoff.nextMs(), this.#abort.signal);
      }
    }
  }

  async #follow(link: Link): Promise<void> {
    this.#links.set(link.node.id, link);
    this.deliver();
    for await (const status of link.connection.status()) {
      if (status.type === "disconnect" || status.type === "staleConnection") link.connected = false;
      if (status.type !== "reconnect") continue;
      link.connected = true;
      this.deliver();
    }
  }
}
