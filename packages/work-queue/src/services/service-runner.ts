/**
 * The services that one incarnation runs. The database says which (`holder`, `term`); this makes it so: starts what is
 * held, ends what is not, takes what is free, prepares and takes over what it is to succeed in.
 *
 * Owns the running instances. An instance is preparing | running | ending. One look at a time; hints and a timer ask
 * for looks. Two may believe that they run a service; effects of the older term are refused (`assert_service`).
 */
import { retryWaitMs } from "../job/retry-wait.ts";
import { asQueueError, JobLostError } from "../queue-errors.ts";
import { rowsOf, type QueuePool, type Transaction } from "../queue/queue-pool.ts";
import type { WorkerServices } from "../worker/worker-options.ts";
import type { ServiceContext, ServiceHandler } from "./service-definition.ts";

interface Held {
  readonly name: string;
  readonly type: string;
  readonly payload: string;
  /** A bigint. */
  readonly term: string;
}

interface Instance {
  readonly held: Held;
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

export interface ServiceReport {
  databaseFailed(error: unknown): void;
  /** Its handler threw, or ended by itself. */
  failed(name: string, error: unknown): void;
}

const restartWaits = { firstMs: 200, factor: 2, maxMs: 30_000, jitter: 0.5 };
/** Failing so often in a row here, it may do better elsewhere. */
const failuresUntilReleased = 5;
const steadyAfterMs = 10_000;

export class ServiceRunner {
  readonly #instances = new Map<string, Instance>();
  readonly #preparing = new Map<string, AbortController>();
  readonly #handlers: ReadonlyMap<string, ServiceHandler>;
  /** Services that failed here again and again, and until when others may have them. */
  readonly #avoidedUntilMs = new Map<string, number>();
  #isLooking = false;
  #lookAgain = false;
  #isStopped = false;
  #isDraining = false;

  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
    private readonly incarnation: string,
    private readonly services: WorkerServices,
    private readonly report: ServiceReport,
  ) {
    this.#handlers = new Map(services.handlers.map((handler) => [handler.type, handler]));
  }

  get running(): number {
    return this.#instances.size;
  }

  /** Something may have changed. */
  wake(): void {
    if (this.#isStopped) return;
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#lookWhileAsked();
  }

  async #lookWhileAsked(): Promise<void> {
    while (this.#lookAgain && !this.#isStopped) {
      this.#lookAgain = false;
      await this.#look().catch((error: unknown) => this.report.databaseFailed(error));
    }
    this.#isLooking = false;
  }

  async #look(): Promise<void> {
    const answer = await this.pool.query(
      `SELECT name, type, payload, term, is_held, is_successor FROM ${this.schema}.services_of($1)`,
      [this.incarnation],
    );
    const rows = rowsOf<Held & { is_held: boolean; is_successor: boolean }>(answer);
    const held = new Map(rows.filter((row) => row.is_held).map((row) => [row.name, row]));
    for (const [name, instance] of this.#instances) {
      if (held.get(name)?.term === instance.held.term) continue;
      instance.controller.abort(new JobLostError(`Another instance runs service "${name}" now, or it was paused.`));
      this.#instances.delete(name);
    }
    for (const row of held.values()) this.#start(row);
    for (const row of rows) if (row.is_successor) this.#prepare(row);
    await this.#claim();
  }

  async #claim(): Promise<void> {
    const free = this.services.most - this.#instances.size;
    if (free <= 0 || this.#isDraining || this.#isStopped) return;
    const now = performance.now();
    for (const [name, until] of this.#avoidedUntilMs) if (until <= now) this.#avoidedUntilMs.delete(name);
    const answer = await this.pool.query(
      `SELECT name, type, payload, term FROM ${this.schema}.claim_services($1, $2, $3, $4, $5)`,
      [this.incarnation, this.services.queue, [...this.#handlers.keys()], free, [...this.#avoidedUntilMs.keys()]],
    );
    for (const row of rowsOf<Held>(answer)) this.#start(row);
  }

  #start(held: Held): void {
    if (this.#isStopped || this.#instances.has(held.name)) return;
    const handler = this.#handlers.get(held.type);
    if (handler === undefined) return;
    const controller = new AbortController();
    const done = this.#run(held, handler, controller);
    this.#instances.set(held.name, { held, controller, done });
  }

  async #run(held: Held, handler: ServiceHandler, controller: AbortController): Promise<void> {
    const { name, term } = held;
    const { signal } = controller;
    const { schema, incarnation } = this;
    const context: ServiceContext = {
      name,
      payload: JSON.parse(held.payload) as unknown,
      term: Number(term),
      signal,
      async assertEffective(transaction: Transaction) {
        if (signal.aborted) throw signal.reason;
        await transaction
          .query(`SELECT ${schema}.assert_service($1, $2, $3)`, [name, incarnation, term])
          .catch((error: unknown) => {
            throw asQueueError(error);
          });
      },
    };
    for (let failures = 1; !signal.aborted; failures++) {
      const startedMs = performance.now();
      try {
        await handler.run(context);
        if (!signal.aborted) throw new Error("It ended by itself, which a service does not.");
      } catch (error) {
        if (signal.aborted) return;
        this.report.failed(name, error);
        if (performance.now() - startedMs >= steadyAfterMs) failures = 1;
        if (failures >= failuresUntilReleased) return this.#letGo(held, error);
        await aborted(signal, retryWaitMs(restartWaits, failures));
      }
    }
  }

  async #letGo({ name, term }: Held, error: unknown): Promise<void> {
    this.#avoidedUntilMs.set(name, performance.now() + restartWaits.maxMs);
    this.#instances.delete(name);
    await this.#release(name, term, error instanceof Error ? error.message : String(error));
  }

  async #release(name: string, term: string, reason: string): Promise<void> {
    await this.pool
      .query(`SELECT ${this.schema}.release_service($1, $2, $3, $4)`, [name, this.incarnation, term, reason])
      .catch((error: unknown) => this.report.databaseFailed(error));
  }

  /** A planned move: what takes time first, then the hand-over in one statement. */
  #prepare(row: Held): void {
    const handler = this.#handlers.get(row.type);
    if (handler === undefined || this.#preparing.has(row.name) || this.#isDraining) return;
    const controller = new AbortController();
    this.#preparing.set(row.name, controller);
    const { name } = row;
    const takeOver = async (): Promise<void> => {
      await handler.prepare?.({ name, payload: JSON.parse(row.payload) as unknown, signal: controller.signal });
      if (controller.signal.aborted) return;
      await this.pool.query(`SELECT ${this.schema}.take_over_service($1, $2)`, [name, this.incarnation]);
    };
    void takeOver()
      .catch((error: unknown) => this.report.failed(name, error))
      .finally(() => {
        this.#preparing.delete(name);
        this.wake();
      });
  }

  /** Takes no more; what runs goes on until it is moved or `stop`. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Ends all and gives them back, so that others take them at once. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopped = true;
    const reason = new JobLostError("Its worker stops.");
    for (const controller of this.#preparing.values()) controller.abort(reason);
    const instances = [...this.#instances.values()];
    for (const { controller } of instances) controller.abort(reason);
    await Promise.all(
      instances.map(async ({ held, done }) => {
        await within(done, graceMs);
        await this.#release(held.name, held.term, "Its worker stopped.");
      }),
    );
    this.#instances.clear();
  }

  /** Q3 */
  lose(reason: Error): void {
    this.#isStopped = true;
    for (const controller of this.#preparing.values()) controller.abort(reason);
    for (const { controller } of this.#instances.values()) controller.abort(reason);
    this.#instances.clear();
  }
}

/** Resolves after `ms`, or when the signal is aborted. */
function aborted(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
    if (signal.aborted) finish();
  });
}

async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work.then(() => undefined), late]);
  clearTimeout(timer);
}
