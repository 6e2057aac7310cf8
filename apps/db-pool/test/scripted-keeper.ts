/**
 * The holder of a database's lease as others see it, in the test's own process: its entry in KV, what it says, what it
 * answers. The db-pool is tried against the real wire and real PostgreSQL without a keeper that acts by itself.
 */
import { jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { Kvm, type KV } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import {
  changeEntry,
  databaseHistoryStream,
  databaseHistorySubject,
  databaseLeaseBucket,
  databaseLeaseKey,
  keeperState,
  primaryChanged,
  subjectOf,
  switchPrimary,
  type DatabaseEntry,
  type DatabaseHistoryEntry,
  type DatabaseLease,
  type KeeperState,
  type RequestContract,
} from "@understudy/contracts";
import { publish } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { randomUUID } from "node:crypto";
import type { z } from "zod";

export const database = "understudy";

export class ScriptedKeeper {
  readonly incarnation = randomUUID();
  /** Every request that came, in order. */
  readonly asked: { readonly subject: string; readonly request: unknown }[] = [];
  lease: DatabaseLease;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly bucket: KV,
    entry: Partial<DatabaseEntry>,
  ) {
    this.lease = {
      term: 3,
      holder: { id: "db-keeper-a", incarnation: this.incarnation, machine: "machine-a" },
      status: "held",
      content: {
        database,
        policy: "available",
        inSync: ["postgres-a", "postgres-b"],
        phase: "open",
        primary: "postgres-a",
        timeline: 1,
        ...entry,
      },
    };
  }

  static async start(connection: NatsConnection, entry: Partial<DatabaseEntry> = {}): Promise<ScriptedKeeper> {
    const manager = new Kvm(jetstream(connection, { timeout: 2_000 }));
    const bucket = await eventually(() => manager.create(databaseLeaseBucket(database), { replicas: 3, history: 1 }), {
      withinMs: 30_000,
    });
    const keeper = new ScriptedKeeper(connection, bucket, entry);
    await keeper.store();
    return keeper;
  }

  /** One swap of the whole entry. */
  async store(change: Partial<DatabaseEntry> = {}, term = this.lease.term): Promise<void> {
    this.lease = { ...this.lease, term, content: { ...this.lease.content, ...change } };
    await eventually(() => this.bucket.put(databaseLeaseKey, JSON.stringify({ role: "x", ...this.lease })), {
      withinMs: 20_000,
    });
  }

  says(member: string, change: Partial<KeeperState>): void {
    const id = `db-keeper-${member.at(-1)}`;
    publish(
      this.connection,
      keeperState,
      {
        keeper: { id, incarnation: this.incarnation },
        machine: `machine-${member.at(-1)}`,
        database,
        member,
        role: "none",
        state: "starting",
        term: this.lease.term,
        timeline: 0,
        at: Date.now(),
        ...change,
      },
      id,
    );
  }

  /** "Writes go here now." */
  announce(): void {
    const { term, content } = this.lease;
    const { timeline, primary } = content;
    publish(this.connection, primaryChanged, { database, term, timeline, primary, at: Date.now() });
  }

  async write(entries: readonly DatabaseHistoryEntry[]): Promise<void> {
    await eventually(
      async () =>
        (await jetstreamManager(this.connection)).streams.add({
          name: databaseHistoryStream,
          subjects: [databaseHistorySubject],
          storage: StorageType.File,
          num_replicas: 3,
        }),
      { withinMs: 20_000 },
    );
    for (const entry of entries) {
      await eventually(() => jetstream(this.connection).publish(databaseHistorySubject, JSON.stringify(entry)), {
        withinMs: 20_000,
      });
    }
  }

  /** Begins to answer as the holder of the lease does. */
  async serve(answers: {
    readonly switchTo: (to: string | undefined) => z.input<typeof switchPrimary.reply>;
    readonly change: () => z.input<typeof changeEntry.reply>;
  }): Promise<void> {
    this.#serve(switchPrimary, ({ to }) => answers.switchTo(to));
    this.#serve(changeEntry, () => answers.change());
    await this.connection.flush();
  }

  #serve<Request extends z.ZodType, Reply extends z.ZodType>(
    contract: RequestContract<Request, Reply>,
    answer: (request: z.infer<Request>) => z.input<Reply>,
  ): void {
    this.connection.subscribe(subjectOf(contract, database), {
      callback: (error, message) => {
        if (error) return;
        const { id, data } = message.json<{ id: string; data: unknown }>();
        const request = contract.request.parse(data);
        this.asked.push({ subject: contract.subject, request });
        message.respond(JSON.stringify({ id, response: answer(request), isDisposed: true }));
      },
    });
  }
}
