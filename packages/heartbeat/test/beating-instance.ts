import { Heartbeats } from "@understudy/heartbeat";
import { createLog, Identity, NatsConnections, Readiness, Shutdown } from "@understudy/runtime";
import type { NatsCluster } from "@understudy/testkit";

/** What a service has of heartbeats, in the test's own process. */
export class BeatingInstance {
  readonly load = { now: 0 };

  private constructor(
    readonly identity: Identity,
    readonly nats: NatsConnections,
    readonly readiness: Readiness,
    readonly heartbeats: Heartbeats,
  ) {}

  static async start(cluster: NatsCluster, id: string): Promise<BeatingInstance> {
    const log = createLog("silent", "json", {});
    const identity = new Identity({
      kind: "app-server",
      id,
      cluster: "understudy",
      site: "site-1",
      machine: "machine-a",
    });
    const nats = await connectionsOf(cluster, id);
    const readiness = new Readiness();
    const load = { now: 0 };
    const configuration = { UNDERSTUDY_DATA_DIR: "." };
    const shutdown = new Shutdown(log);
    const heartbeats = new Heartbeats(identity, nats, readiness, shutdown, log, configuration, () => load.now);
    await heartbeats.start();
    nats.openLifelines();
    return Object.assign(new BeatingInstance(identity, nats, readiness, heartbeats), { load });
  }

  async stop(): Promise<void> {
    this.heartbeats.stop();
    await this.nats.close();
  }
}

export async function connectionsOf(cluster: NatsCluster, name: string): Promise<NatsConnections> {
  const { servers, user, password } = cluster;
  const log = createLog("silent", "json", {});
  const nats = await NatsConnections.open({ servers, user, password, name }, log, new AbortController().signal);
  if (nats === undefined) throw new Error("The wait for NATS was given up.");
  return nats;
}
