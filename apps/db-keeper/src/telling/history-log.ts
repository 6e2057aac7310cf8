/**
 * The database's history in a JetStream stream. Several keepers write it; an entry carries an id made of what it tells,
 * so that what is sent twice stands there once.
 */
import { jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import {
  databaseHistoryEntry,
  databaseHistoryStream,
  databaseHistorySubject,
  type DatabaseHistoryEntry,
} from "@understudy/contracts";
import { Backoff, pause, type Log, type NatsConnections } from "@understudy/runtime";

const entriesMost = 10_000;
const triesMost = 40;

export class DatabaseHistoryLog {
  readonly #stopped = new AbortController();
  #tail: Promise<void> = Promise.resolve();
  #isOpen = false;

  constructor(
    private readonly nats: NatsConnections,
    private readonly replicas: number,
    private readonly log: Log,
  ) {}

  /** What is not written yet gets a last moment. */
  async stop(): Promise<void> {
    await Promise.race([this.#tail, pause(500)]);
    this.#stopped.abort();
  }

  /** Returns at once; keeps trying in the background, in order. An entry that cannot be written is logged. */
  append(entry: DatabaseHistoryEntry): void {
    const checked = databaseHistoryEntry.parse(entry);
    this.log.info({ event: checked.event, term: checked.term, evidence: checked.evidence }, checked.summary);
    this.#tail = this.#tail.then(() => this.#append(checked));
  }

  async #append(entry: DatabaseHistoryEntry): Promise<void> {
    const { database, term, event, from = "", to = "", at } = entry;
    const once = event === "failover" || event === "switchover" || event === "initialised" ? "" : String(at);
    const msgID = [database, term, event, from, to, once].join("/");
    const backoff = new Backoff(100, 2_000);
    let reason = "";
    for (let tries = 0; tries < triesMost && !this.#stopped.signal.aborted; tries++) {
      try {
        await this.#open();
        await jetstream(this.nats.main).publish(databaseHistorySubject, JSON.stringify(entry), {
          msgID,
          timeout: 2_000,
        });
        return;
      } catch (error) {
        reason = (error as Error).message;
        await pause(backoff.nextMs(), this.#stopped.signal);
      }
    }
    this.log.warn({ reason, summary: entry.summary }, "a history entry was not written");
  }

  async #open(): Promise<void> {
    if (this.#isOpen) return;
    const manager = await jetstreamManager(this.nats.main);
    const names = await manager.streams.names(databaseHistorySubject).next();
    if (names.length === 0)
      await manager.streams.add({
        name: databaseHistoryStream,
        subjects: [databaseHistorySubject],
        num_replicas: this.replicas,
        storage: StorageType.File,
        retention: RetentionPolicy.Limits,
        max_msgs: entriesMost,
      });
    this.#isOpen = true;
  }
}
