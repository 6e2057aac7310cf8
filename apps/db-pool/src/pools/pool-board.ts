/**
 * What the failover-pools of all services say: their figures, and their commits in doubt.
 *
 * Figures are those of the moment: who is silent for `figuresMs` has ended. Commits in doubt are kept by a stream, so
 * that both db-pools know the same ones, also after a start.
 */
import { DeliverPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import type { Subscription } from "@nats-io/transport-node";
import {
  commitInDoubt,
  inDoubtCommit,
  inDoubtStream,
  poolFigures,
  type InDoubtCommit,
  type PoolFigures,
} from "@understudy/contracts";
import { Backoff, listen, pause, type Log, type NatsConnections } from "@understudy/runtime";
import { InDoubtList } from "./in-doubt-list.ts";

const figuresMs = 15_000;
const keptMost = 5_000;
const keptMs = 30 * 24 * 3_600_000;
const readMost = 1_000;
const readMs = 3_000;

export class PoolBoard {
  readonly #figures = new Map<string, { readonly figures: PoolFigures; readonly heardAt: number }>();
  readonly #inDoubt = new InDoubtList();
  readonly #abort = new AbortController();
  #subscriptions: readonly Subscription[] = [];

  constructor(
    private readonly nats: NatsConnections,
    private readonly replicas: number,
    private readonly log: Log,
  ) {}

  start(): void {
    const ignoreMalformed = { onMalformed: () => undefined };
    this.#subscriptions = [
      listen(this.nats.main, poolFigures, (figures) => this.#hear(figures), { id: "*", ...ignoreMalformed }),
      listen(this.nats.main, commitInDoubt, (commit) => this.#doubt(commit), ignoreMalformed),
    ];
    void this.#remember(this.#abort.signal);
  }

  stop(): void {
    this.#abort.abort();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  get figures(): PoolFigures[] {
    const oldest = performance.now() - figuresMs;
    for (const [key, { heardAt }] of this.#figures) if (heardAt < oldest) this.#figures.delete(key);
    return [...this.#figures.values()]
      .map(({ figures }) => figures)
      .sort((one, other) => (one.instance.id < other.instance.id ? -1 : 1));
  }

  get inDoubt(): InDoubtCommit[] {
    return this.#inDoubt.all;
  }

  #hear(figures: PoolFigures): void {
    this.#figures.set(`${figures.database} ${figures.instance.id}`, { figures, heardAt: performance.now() });
  }

  #doubt(commit: InDoubtCommit): void {
    this.#inDoubt.add(commit);
    const level = commit.outcome === "unknown" ? "warn" : "info";
    this.log[level]({ ...commit, instance: commit.instance.id }, "a commit in doubt");
  }

  /** Makes the stream and reads what it has, until that has worked once. */
  async #remember(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(200, 5_000);
    while (!signal.aborted) {
      try {
        await this.#makeStream();
        await this.#readStream();
        return;
      } catch (error) {
        this.log.debug({ reason: (error as Error).message }, "waiting for the list of commits in doubt");
        await pause(backoff.nextMs(), signal);
      }
    }
  }

  async #makeStream(): Promise<void> {
    const manager = await jetstreamManager(this.nats.main);
    const names = await manager.streams.names(commitInDoubt.subject).next();
    if (names.length > 0) return;
    await manager.streams.add({
      name: inDoubtStream,
      subjects: [commitInDoubt.subject],
      num_replicas: this.replicas,
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_msgs: keptMost,
      max_age: keptMs * 1_000_000,
    });
  }

  async #readStream(): Promise<void> {
    const manager = await jetstreamManager(this.nats.main);
    const { state } = await manager.streams.info(inDoubtStream);
    if (state.messages === 0) return;
    const consumer = await jetstream(this.nats.main).consumers.get(inDoubtStream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(state.first_seq, state.last_seq - readMost + 1),
    });
    const messages = await consumer.fetch({ max_messages: readMost, expires: readMs });
    for await (const message of messages) {
      const { data } = inDoubtCommit.safeParse(message.json());
      if (data !== undefined) this.#inDoubt.add(data);
      if (message.info.pending === 0) break;
    }
  }
}
