/** The history of all databases, as keepers wrote it: read, never written here. */
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { databaseHistoryEntry, databaseHistoryStream, type DatabaseHistoryEntry } from "@understudy/contracts";
import { OperationalError, type NatsConnections } from "@understudy/runtime";

const readMs = 3_000;
// nats-server: JSStreamNotFoundErr
const streamNotFound = 10_059;

export class DatabaseHistory {
  constructor(private readonly nats: NatsConnections) {}

  /** The latest `limit` entries, oldest first. @throws OperationalError while the stream is away. */
  async read(limit: number): Promise<DatabaseHistoryEntry[]> {
    try {
      return await this.#read(limit);
    } catch (error) {
      // No keeper has written yet, as with an operator's own HA.
      if ((error as { code?: unknown }).code === streamNotFound) return [];
      throw new OperationalError("unavailable", "The database history cannot be read now. Try again.", {
        cause: error,
      });
    }
  }

  async #read(limit: number): Promise<DatabaseHistoryEntry[]> {
    const manager = await jetstreamManager(this.nats.main);
    const { state } = await manager.streams.info(databaseHistoryStream);
    if (state.messages === 0) return [];
    const consumer = await jetstream(this.nats.main).consumers.get(databaseHistoryStream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(state.first_seq, state.last_seq - limit + 1),
    });
    const entries: DatabaseHistoryEntry[] = [];
    const messages = await consumer.fetch({ max_messages: limit, expires: readMs });
    for await (const message of messages) {
      const { data } = databaseHistoryEntry.safeParse(message.json());
      if (data !== undefined) entries.push(data);
      if (message.info.pending === 0) break;
    }
    return entries;
  }
}
