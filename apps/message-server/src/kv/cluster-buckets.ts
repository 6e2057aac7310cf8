import { Kvm, type KV } from "@nats-io/kv";
import { configurationBucket, stateBucket } from "@understudy/contracts";
import { Backoff, pause, type Log, type NatsConnections } from "@understudy/runtime";

/** The message server's KV buckets, made when absent. */
export interface ClusterBuckets {
  readonly configuration: KV;
  readonly state: KV;
}

/** Waits while JetStream has no leader; rejects only when `signal` aborts. */
export async function openBuckets(
  nats: NatsConnections,
  replicas: number,
  log: Log,
  signal: AbortSignal,
): Promise<ClusterBuckets> {
  const backoff = new Backoff(100, 2_000);
  for (;;) {
    signal.throwIfAborted();
    try {
      const manager = new Kvm(nats.main);
      const [configuration, state] = await Promise.all([
        manager.create(configurationBucket, { replicas, history: 10, storage: "file" }),
        manager.create(stateBucket, { replicas, history: 1, storage: "file" }),
      ]);
      return { configuration, state };
    } catch (error) {
      log.debug({ reason: (error as Error).message }, "waiting for JetStream");
      await pause(backoff.nextMs(), signal);
    }
  }
}
