/**
 * The newest topology of each database in KV, for whoever starts later. Two db-pools write it: a value is never
 * replaced by one of a lower (term, timeline), whoever is slow, cut off or was just thawed.
 */
import { jetstream } from "@nats-io/jetstream";
import { Kvm, type KV } from "@nats-io/kv";
import { databaseTopology, topologyBucket, type DatabaseTopology } from "@understudy/contracts";
import { Backoff, isRevisionConflict, pause, type Log, type NatsConnections } from "@understudy/runtime";

const answerMs = 2_000;
const attemptsMost = 5;

/** True when `next` may stand where `stored` stands. */
export const mayReplace = (next: DatabaseTopology, stored: DatabaseTopology | undefined): boolean =>
  stored === undefined || next.term > stored.term || (next.term === stored.term && next.timeline >= stored.timeline);

export class TopologyStore {
  #bucket: KV | undefined;
  readonly #abort = new AbortController();
  /** The latest of each database that is not written yet. */
  readonly #waiting = new Map<string, DatabaseTopology>();
  #isWriting = false;

  constructor(
    private readonly nats: NatsConnections,
    private readonly replicas: number,
    private readonly log: Log,
  ) {}

  stop(): void {
    this.#abort.abort();
  }

  /** Stores it, now or when JetStream is back; of several that wait the latest. Never rejects. */
  put(topology: DatabaseTopology): void {
    this.#waiting.set(topology.database, topology);
    if (!this.#isWriting) void this.#writeAll(this.#abort.signal);
  }

  async #writeAll(signal: AbortSignal): Promise<void> {
    this.#isWriting = true;
    const backoff = new Backoff(100, 2_000);
    while (this.#waiting.size > 0 && !signal.aborted) {
      const [topology] = this.#waiting.values();
      if (topology === undefined) break;
      try {
        await this.#write(topology);
        if (this.#waiting.get(topology.database) === topology) this.#waiting.delete(topology.database);
        backoff.reset();
      } catch (error) {
        this.log.debug({ reason: (error as Error).message }, "the topology waits for JetStream");
        await pause(backoff.nextMs(), signal);
      }
    }
    this.#isWriting = false;
  }

  async #write(topology: DatabaseTopology): Promise<void> {
    this.#bucket ??= await new Kvm(jetstream(this.nats.main, { timeout: answerMs })).create(topologyBucket, {
      replicas: this.replicas,
      history: 1,
      storage: "file",
    });
    for (let attempt = 0; attempt < attemptsMost; attempt++) {
      const entry = await this.#bucket.get(topology.database);
      const stored = entry?.operation === "PUT" ? databaseTopology.safeParse(entry.json()).data : undefined;
      if (!mayReplace(topology, stored)) return;
      try {
        const text = JSON.stringify(topology);
        if (entry === null) await this.#bucket.create(topology.database, text);
        else await this.#bucket.update(topology.database, text, entry.revision);
        return;
      } catch (error) {
        // The other db-pool was faster; it may know something newer.
        if (!isRevisionConflict(error)) throw error;
      }
    }
  }
}
