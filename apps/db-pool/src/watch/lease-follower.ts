/**
 * Follows the lease of one database: its entry says who is primary, who is in sync and under which policy (D2).
 *
 * A watch can die without a sign (its consumer lived on a NATS node that was lost), so the entry is also read every
 * `rereadMs`. Only higher revisions replace what is known: reads of a replica that lags decide nothing.
 */
import { jetstream } from "@nats-io/jetstream";
import { Kvm, type KV, type KvEntry } from "@nats-io/kv";
import { databaseLease, databaseLeaseBucket, databaseLeaseKey, type DatabaseLease } from "@understudy/contracts";
import { Backoff, pause, type Log, type NatsConnections } from "@understudy/runtime";

const rereadMs = 1_000;
const answerMs = 2_000;

export class LeaseFollower {
  #current: DatabaseLease | undefined;
  #revision = 0;
  readonly #abort = new AbortController();

  constructor(
    readonly database: string,
    private readonly nats: NatsConnections,
    private readonly onChange: () => void,
    private readonly log: Log,
  ) {}

  /** Undefined before a keeper made it. */
  get current(): DatabaseLease | undefined {
    return this.#current;
  }

  start(): void {
    void this.#run(this.#abort.signal);
  }

  stop(): void {
    this.#abort.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(100, 2_000);
    while (!signal.aborted) {
      try {
        const manager = new Kvm(jetstream(this.nats.main, { timeout: answerMs }));
        const bucket = await manager.open(databaseLeaseBucket(this.database));
        await this.#read(bucket);
        backoff.reset();
        await this.#follow(bucket, signal);
      } catch (error) {
        // Normal before the first keeper made the bucket, and while JetStream elects.
        this.log.debug({ reason: (error as Error).message }, "waiting for the lease of the database");
      }
      await pause(backoff.nextMs(), signal);
    }
  }

  async #follow(bucket: KV, signal: AbortSignal): Promise<void> {
    const entries = await bucket.watch({ key: databaseLeaseKey });
    const ended = new AbortController();
    const stop = () => entries.stop();
    signal.addEventListener("abort", stop, { once: true });
    void this.#reread(bucket, stop, ended.signal);
    try {
      if (signal.aborted) return stop();
      for await (const entry of entries) this.#take(entry);
    } finally {
      ended.abort();
      signal.removeEventListener("abort", stop);
    }
  }

  /** Ends the watch when a read brings what it should have brought. */
  async #reread(bucket: KV, stop: () => void, signal: AbortSignal): Promise<void> {
    for (;;) {
      await pause(rereadMs, signal);
      if (signal.aborted) return;
      const fresh = await this.#read(bucket).catch(() => true);
      if (fresh) return stop();
    }
  }

  /** True when it brought something newer. */
  async #read(bucket: KV): Promise<boolean> {
    const entry = await bucket.get(databaseLeaseKey);
    return entry !== null && this.#take(entry);
  }

  #take(entry: KvEntry): boolean {
    if (entry.operation !== "PUT" || entry.revision <= this.#revision || this.#abort.signal.aborted) return false;
    const { success, data, error } = databaseLease.safeParse(entry.json());
    this.#revision = entry.revision;
    if (!success) {
      this.log.warn({ revision: entry.revision, reason: error.message }, "an unusable lease was passed over");
      return false;
    }
    const before = this.#current;
    this.#current = data;
    // Renewals come several times a second and say nothing new.
    if (JSON.stringify(before) !== JSON.stringify(data)) this.onChange();
    return true;
  }
}
