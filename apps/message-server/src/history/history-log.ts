/**
 * The cluster's history in a JetStream stream. Only the leader appends, each entry at the sequence after the last one
 * it knows of: a leader of an older term finds the sequence taken by a newer term and appends nothing (L5).
 */
import { jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import {
  historyEntry,
  historyStream,
  historySubject,
  messageServerRole,
  type HistoryEntry,
  type LeaderTerm,
} from "@understudy/contracts";
import { StaleTermError } from "@understudy/leadership";
import {
  isRevisionConflict,
  Backoff,
  OperationalError,
  pause,
  type Log,
  type NatsConnections,
} from "@understudy/runtime";

type Draft = HistoryEntry extends infer Entry
  ? Entry extends HistoryEntry
    ? Omit<Entry, "at" | "term" | "writtenBy">
    : never
  : never;

const entriesMost = 10_000;

export class HistoryLog {
  #last: { sequence: number; term: number } | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(
    private readonly nats: NatsConnections,
    private readonly replicas: number,
    private readonly log: Log,
  ) {}

  /** Makes the stream when absent; waits while JetStream has no leader. */
  async open(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(100, 2_000);
    for (;;) {
      signal.throwIfAborted();
      try {
        const manager = await jetstreamManager(this.nats.main);
        const names = await manager.streams.names(historySubject).next();
        if (names.length > 0) return;
        await manager.streams.add({
          name: historyStream,
          subjects: [historySubject],
          num_replicas: this.replicas,
          storage: StorageType.File,
          retention: RetentionPolicy.Limits,
          max_msgs: entriesMost,
        });
        return;
      } catch (error) {
        this.log.debug({ reason: (error as Error).message }, "waiting for JetStream");
        await pause(backoff.nextMs(), signal);
      }
    }
  }

  /**
   * Appends an entry, after those asked for before. `signal` is the leader's term: while the stream is away it keeps
   * trying until the term is over. Never rejects: a lost entry is logged.
   */
  append(leader: LeaderTerm, draft: Draft, signal: AbortSignal, at = Date.now()): Promise<void> {
    const entry = historyEntry.parse({ ...draft, at, term: leader.term, writtenBy: leader.holder });
    this.log.info({ history: entry.type, term: entry.term }, entry.summary);
    this.#tail = this.#tail.then(async () => {
      try {
        await this.#append(entry, signal);
      } catch (error) {
        this.log.warn({ err: error, summary: entry.summary }, "a history entry was not written");
      }
    });
    return this.#tail;
  }

  async #append(entry: HistoryEntry, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(100, 2_000);
    while (!signal.aborted) {
      try {
        this.#last ??= await this.#readLast();
        if (this.#last.term > entry.term) throw new StaleTermError(messageServerRole, entry.term);
        const ack = await jetstream(this.nats.main).publish(historySubject, JSON.stringify(entry), {
          // L5: the sequence is taken when a newer leader has written.
          expect: { lastSequence: this.#last.sequence },
          timeout: 2_000,
        });
        this.#last = { sequence: ack.seq, term: entry.term };
        return;
      } catch (error) {
        if (error instanceof StaleTermError) throw error;
        const isConflict = isRevisionConflict(error);
        const before = this.#last;
        this.#last = undefined;
        if (isConflict) continue;
        // Unknown outcome: if the entry arrived it is the last one, and the next round must not write it again.
        await pause(backoff.nextMs(), signal);
        const last = await this.#readLast().catch(() => undefined);
        if (
          last !== undefined &&
          before !== undefined &&
          last.sequence > before.sequence &&
          last.text === JSON.stringify(entry)
        ) {
          this.#last = last;
          return;
        }
      }
    }
  }

  async #readLast(): Promise<{ sequence: number; term: number; text?: string }> {
    const manager = await jetstreamManager(this.nats.main);
    const message = await manager.streams.getMessage(historyStream, { last_by_subj: historySubject });
    if (message === null) return { sequence: 0, term: 0 };
    const text = message.string();
    return { sequence: message.seq, term: historyEntry.parse(JSON.parse(text)).term, text };
  }

  /** The latest `limit` entries, oldest first. @throws OperationalError while the stream is away. */
  async read(limit: number): Promise<HistoryEntry[]> {
    try {
      const manager = await jetstreamManager(this.nats.main);
      const { state } = await manager.streams.info(historyStream);
      const first = Math.max(state.first_seq, state.last_seq - limit + 1);
      const sequences = Array.from({ length: Math.max(0, state.last_seq - first + 1) }, (_, index) => first + index);
      const messages = await Promise.all(sequences.map((seq) => manager.streams.getMessage(historyStream, { seq })));
      return messages.flatMap((message) =>
        message === null ? [] : [historyEntry.parse(JSON.parse(message.string()))],
      );
    } catch (error) {
      throw new OperationalError("unavailable", "The history cannot be read: its NATS stream is away. Try again.", {
        cause: error,
      });
    }
  }
}
