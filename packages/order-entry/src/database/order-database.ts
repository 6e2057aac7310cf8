/**
 * The application's connections to its database, from the first request to the end of the module.
 *
 * Connects when first asked, so that a server can start (and answer 503) while the database is away. Lost connections
 * are the failover-pool's: it holds callers, runs reads and transactions again, and finds out how a COMMIT ended. Here
 * is only what it leaves to its caller:
 *
 * - A transaction is repeated as a whole after a conflict, and when the pool says that nothing was committed and a
 *   replay would have shown other results. Each of ours begins by claiming its key, so a repetition never does an order
 *   twice.
 * - What the pool gave up after it held its caller is told; whoever asked repeats with the same Idempotency-Key.
 */
import { Injectable, type OnModuleDestroy } from "@nestjs/common";
import { Backoff, OperationalError, pause } from "@understudy/runtime";
import type { PoolClient, QueryResult } from "pg";
import type { EntityManager } from "typeorm";
import { createDataSource, type DatabaseContext, type PooledDataSource } from "./data-source.ts";
import { kindOfDatabaseError } from "./database-error.ts";

/** What a transaction's work wants to become of it. */
export interface Decision<Value> {
  readonly commit: boolean;
  readonly value: Value;
}

const mostAttempts = 6;
/** After this time a failed attempt is not repeated: the pool may have held it for seconds. */
const repeatWithinMs = 5_000;

@Injectable()
export class OrderDatabase implements OnModuleDestroy {
  #open: Promise<PooledDataSource> | undefined;
  #closed = false;

  constructor(private readonly context: DatabaseContext) {}

  async onModuleDestroy(): Promise<void> {
    this.#closed = true;
    const open = await this.#open?.catch(() => undefined);
    await open?.close();
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
          // Where that fails too, the transaction ended with its connection; the pool hands neither to anybody.
          await client.query("ROLLBACK").catch(() => undefined);
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
        const repeatable = kindOfDatabaseError(error) === "conflict";
        const waitMs = backoff.nextMs();
        const elapsedMs = performance.now() - startedAt;
        if (!repeatable || attempts >= mostAttempts || elapsedMs + waitMs > repeatWithinMs || this.#closed) throw error;
        await pause(waitMs);
      }
    }
  }

  async #connected<Value>(work: (client: PoolClient, manager: EntityManager) => Promise<Value>): Promise<Value> {
    const { source } = await this.#opened();
    const runner = source.createQueryRunner();
    try {
      return await work((await runner.connect()) as PoolClient, runner.manager);
    } finally {
      await runner.release();
    }
  }

  #opened(): Promise<PooledDataSource> {
    if (this.#closed) throw new OperationalError("unavailable", "The order entry is being stopped.");
    this.#open ??= this.#connect().catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    });
    return this.#open;
  }

  async #connect(): Promise<PooledDataSource> {
    const created = createDataSource(this.context, { purpose: "serving" });
    try {
      await created.source.initialize();
      return created;
    } catch (error) {
      await created.close();
      throw error;
    }
  }
}
