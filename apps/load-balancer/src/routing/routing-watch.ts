/**
 * Feeds `KnownRoutes` from NATS: the subject is the fast way, the KV entry the one for whoever starts late or was cut off.
 *
 * The entry is read at the start, after each reconnect, and again and again while the message server is silent; a read
 * that fails or finds nothing changes nothing. Without `allow_direct` only the stream's leader answers a read, so an
 * answer also says that this process is connected to the majority.
 */
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { Subscription } from "@nats-io/transport-node";
import { routingKey, routingPublished, routingTable, stateBucket } from "@understudy/contracts";
import { listen, pause, type Log, type NatsConnections } from "@understudy/runtime";
import type { KnownRoutes } from "./known-routes.ts";

const readTimeoutMs = 1_000;
const readEveryMs = 1_000;
/** Two publications missed (they come every 500 ms): ask the store. */
const silentAfterMs = 1_200;

export class RoutingWatch {
  #subscription: Subscription | undefined;
  readonly #abort = new AbortController();

  constructor(
    private readonly nats: NatsConnections,
    private readonly routes: KnownRoutes,
    private readonly log: Log,
  ) {}

  /** Returns at once. */
  start(): void {
    this.#subscription = listen(this.nats.main, routingPublished, (table) => this.routes.offer(table, "event"), {
      onMalformed: (error) => this.log.warn({ reason: (error as Error).message }, "an unusable routing table"),
    });
    this.nats.onConnected((connected) => {
      if (connected) void this.#read();
    });
    void this.#readWhileSilent(this.#abort.signal);
  }

  stop(): void {
    this.#abort.abort();
    this.#subscription?.unsubscribe();
  }

  async #readWhileSilent(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.routes.silentMs === undefined || this.routes.silentMs > silentAfterMs) await this.#read();
      await pause(readEveryMs, signal);
    }
  }

  async #read(): Promise<void> {
    try {
      const bucket = await new Kvm(jetstream(this.nats.main, { timeout: readTimeoutMs })).open(stateBucket);
      const entry = await bucket.get(routingKey);
      if (entry?.operation === "PUT") this.routes.offer(routingTable.parse(entry.json()), "stored");
    } catch (error) {
      // Normal before the first message server made the bucket, and while JetStream elects or NATS is away.
      this.log.debug({ reason: (error as Error).message }, "the stored routing table could not be read");
    }
  }
}
