/** The running cluster as the measurements ask it: who leads, who is ready to follow, what the history says. */
import { loginOptions } from "@understudy/runtime/nats-login";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { clusterStatus, readHistory, type ClusterStatus, type HistoryEntry } from "@understudy/contracts";
import type { LocalCluster } from "@understudy/local";
import { call, pause } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";

export type Takeover = Extract<HistoryEntry, { type: "takeover" }>;

export class ClusterView {
  private constructor(
    private readonly cluster: LocalCluster,
    readonly connection: NatsConnection,
  ) {}

  static async open(cluster: LocalCluster): Promise<ClusterView> {
    const connection = await connect({
      // Node c has no message server: it lives through every round.
      servers: cluster.natsServers.map(({ url }) => url).toReversed(),
      noRandomize: true,
      ignoreClusterUpdates: true,
      ...loginOptions(cluster.natsLogin()),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    });
    return new ClusterView(cluster, connection);
  }

  /** The leader's answer; asks again while there is none. */
  async status(withinMs = 30_000): Promise<ClusterStatus> {
    return eventually(() => call(this.connection, clusterStatus, {}, { timeoutMs: 500 }), {
      withinMs,
      describe: "a leader answers",
    });
  }

  pidOf(id: string): number {
    const pid = this.cluster.processes.find((process) => process.id === id)?.pid;
    if (pid === undefined || pid === null) throw new Error(`${id} does not run`);
    return pid;
  }

  /** The takeover's entry in the history, once it is written. */
  async takeoverAfter(term: number, withinMs = 30_000): Promise<Takeover> {
    return eventually(
      async () => {
        const { entries } = await call(this.connection, readHistory, { limit: 20 }, { timeoutMs: 1_000 });
        return entries.find((entry): entry is Takeover => entry.type === "takeover" && entry.term > term);
      },
      { withinMs, describe: `a takeover after term ${term} stands in the history` },
    );
  }

  /** All processes run, an alternate is ready, every app server follows, all streams have three current copies. */
  async settled(): Promise<ClusterStatus> {
    const status = await eventually(
      async () => {
        if (this.cluster.processes.some(({ state }) => state !== "running")) return undefined;
        const now = await call(this.connection, clusterStatus, {}, { timeoutMs: 500 });
        const alternates = now.instances.filter(
          ({ instance, ready, verdict }) =>
            instance.kind === "message-server" && instance.id !== now.leader.holder.id && ready && verdict === "alive",
        );
        const serving = now.appServers.filter(({ state }) => state === "accepting").length;
        const wanted = this.cluster.processes.filter(({ kind }) => kind === "app-server").length;
        return alternates.length > 0 && serving === wanted && now.termInDatabase && (await this.#streamsAreCurrent())
          ? now
          : undefined;
      },
      { withinMs: 60_000, describe: "the cluster is whole again" },
    );
    // L6 moves stream leaders after a takeover, and lifelines of the returned server open: let both happen.
    await pause(1_200 + Math.random() * 300);
    return status;
  }

  async #streamsAreCurrent(): Promise<boolean> {
    const manager = await jetstreamManager(this.connection, { timeout: 1_000 });
    for await (const stream of manager.streams.list()) {
      const { leader, replicas } = stream.cluster ?? {};
      if (leader === undefined || leader === "" || replicas?.some((replica) => !replica.current || replica.offline))
        return false;
    }
    return true;
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}
