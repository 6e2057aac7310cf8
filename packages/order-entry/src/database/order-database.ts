/**
 * The application's connections to its database, from the first request to the end of the module.
 *
 * Connects when first asked, so that a server can start (and answer 503) while the database is away. What fails is
 * tried again here only where that is safe and short; everything longer is the caller's, who has an Idempotency-Key.
 *
 * - A read may always be repeated.
 * - A transaction is repeated as a whole after a conflict, and after a lost connection too: each of ours begins by
 *   claiming its key, so if the COMMIT that was in flight did happen, the repetition finds that out and nothing more.
 * - A connection whose last word was an error of the connection never goes back to the pool.
 */
import { Injectable, type OnModuleDestroy } from "@nestjs/common";
import { Backoff, OperationalError, pause } from "@understudy/runtime";
import type { PoolClient, QueryResult } from "pg";
import type { DataSource, EntityManager } from "typeorm";
import { createDataSource, type DatabaseContext } from "./data-source.ts";
import { kindOfDatabaseError } from "./database-error.ts";

/** What a transaction's work wants to become of it. */
export interface Decision<Value> {
  readonly commit: boolean;
  readonly value: Value;
}

const mostAttempts = 6;
/** After this time a failed attempt is not repeated: a connection attempt may have used up seconds by itself. */
const repeatWithinMs = 1_000;

@Injectable()
export class OrderDatabase implements OnModuleDestroy {
  #source: Promise<DataSource> | undefined;
  #closed = false;

  constructor(private readonly context: DatabaseContext) {}

  async onModuleDestroy(): Promise<void> {
    this.#closed = true;
    const source = await this.#source?.catch(() => undefined);
    await source?.destroy();
  }

  /** Runs reads through TypeORM on one connection. */
  read<Value>(work: (manager: EntityManager) => Promise<Value>): Promise<Value> {
    return this.#repeating(() => this.#connected((_client, manager) => work(manager)));
  }

  /** Runs `work` in one transaction (READ COMMITTED). May run it several times; only the last one counts. */
  transaction<Value>(work: (client: PoolClient) => Promise<Decision<Value>>): Promise<Value> {
    return this.#repeating(() =>
      this.#connected(async (client) => {
        await client.query("BEGIN");
        const decision = await work(client).catch(async (error: unknown) => {
          if (kindOfDatabaseError(error) !== "lost") await client.query("ROLLBACK");
          throw error;
        });
        const end: QueryResult = await client.query(decision.commit ? "COMMIT" : "ROLLBACK");
        // D4: a COMMIT answered by ROLLBACK did not commit.
        if (decision.commit && end.command !== "COMMIT") {
          throw new OperationalError("database-unavailable", "The database undid the transaction at its end.");
        }
        return decision.value;
      }),
    );
  }

  async #repeating<Value>(attempt: () => Promise<Value>): Promise<Value> {
    const startedAt = performance.now();
    const backoff = new Backoff(10, 200);
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt();
      } catch (error) {
        const kind = kindOfDatabaseError(error);
        const repeatable = kind === "conflict" || kind === "lost";
        const waitMs = backoff.nextMs();
        const elapsedMs = performance.now() - startedAt;
        if (!repeatable || attempts >= mostAttempts || elapsedMs + waitMs > repeatWithinMs || this.#closed) throw error;
        await pause(waitMs);
      }
    }
  }

  async #connected<Value>(work: (client: PoolClient, manager: EntityManager) => Promise<Value>): Promise<Value> {
    const source = await this.#open();
    const runner = source.createQueryRunner();
    try {
      const client = (await runner.connect()) as PoolClient;
      try {
        return await work(client, runner.manager);
      } catch (error) {
        // The pool drops a client that was told to end; without this a silent connection would serve the next request.
        if (kindOfDatabaseError(error) === "lost") void client.end().catch(() => undefined);
        throw error;
      }
    } finally {
      await runner.release();
    }
  }

  #open(): Promise<DataSource> {
    if (this.#closed) throw new OperationalError("unavailable", "The order entry is being stopped.");
    this.#source ??= createDataSource(this.context, { purpose: "serving" })
      .initialize()
      .catch((error: unknown) => {
        this.#source = undefined;
        throw error;
      });
    return this.#source;
  }
}
