/** Answers a db-pool's requests in the test's own process, from values that the test can read and change. */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import {
  changeDatabase,
  databaseHistory,
  databaseStatus,
  switchDatabase,
  type DatabaseHistoryEntry,
  type DatabaseStatus,
  type DatabaseTopology,
  type RequestContract,
} from "@understudy/contracts";
import { CallerError, toWire } from "@understudy/runtime/errors";
import type { z } from "zod";
import { exampleDatabases } from "../src/testing/example-cluster.ts";

export class ScriptedDbPool {
  status: DatabaseStatus = exampleDatabases();
  entries: DatabaseHistoryEntry[] = [];
  /** The next switchover is carried out without an answer in time. */
  losesAnswer = false;
  readonly changes: unknown[] = [];
  readonly #subscriptions: Subscription[] = [];

  constructor(private readonly connection: NatsConnection) {}

  async start(): Promise<void> {
    this.#serve(databaseStatus, () => this.status);
    this.#serve(databaseHistory, ({ limit }) => ({ entries: this.entries.slice(-limit) }));
    this.#serve(changeDatabase, (request) => this.#change(request));
    this.#serve(switchDatabase, ({ to }) => this.#switch(to));
    await this.connection.flush();
  }

  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  get #topology(): DatabaseTopology {
    const [topology] = this.status.databases;
    if (topology === undefined) throw new CallerError("unknown-instance", "There is no database.");
    return topology;
  }

  #change({ database, change }: z.infer<typeof changeDatabase.request>): z.input<typeof changeDatabase.reply> {
    this.changes.push(change);
    const { term, primary = "postgres-a", timeline } = this.#topology;
    return {
      leader: { term, holder: { id: "db-keeper-a", incarnation: "019b0000-0000-7000-8000-000000000021" } },
      entry: {
        database,
        policy: change.change === "policy" ? change.policy : "available",
        inSync: ["postgres-a", "postgres-b"],
        phase: "open",
        primary,
        timeline,
        ...(change.change === "pause" && { paused: { since: 1, reason: change.reason } }),
      },
    };
  }

  #switch(to = "postgres-b"): z.input<typeof switchDatabase.reply> | undefined {
    const { primary: from = "postgres-a", term } = this.#topology;
    const topology = { ...this.#topology, primary: to, term: term + 1 };
    this.status = { ...this.status, databases: [topology] };
    if (this.losesAnswer) return undefined;
    return { from, to, term: term + 1, pauseMs: 41.7 };
  }

  /** Undefined: no answer. */
  #serve<Request extends z.ZodType, Reply extends z.ZodType>(
    contract: RequestContract<Request, Reply>,
    answer: (request: z.infer<Request>) => z.input<Reply> | undefined,
  ): void {
    const subscription = this.connection.subscribe(contract.subject, {
      callback: (error, message) => {
        if (error) return;
        const { id, data } = message.json<{ id: string; data: unknown }>();
        try {
          const response = answer(contract.request.parse(data));
          if (response !== undefined) message.respond(JSON.stringify({ id, response, isDisposed: true }));
        } catch (cause) {
          message.respond(JSON.stringify({ id, err: toWire(cause), isDisposed: true }));
        }
      },
    });
    this.#subscriptions.push(subscription);
  }
}
