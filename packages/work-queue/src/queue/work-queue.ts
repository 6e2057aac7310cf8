/**
 * The door for those who enqueue and administer: jobs, queues, services, schedules, verdicts. It holds nothing but a
 * few cached limits and the jobs on their way into the database; there is nothing to start or stop.
 */
import type { JobDefinition } from "../job/job-definition.ts";
import { checkedPayload, payloadDocument } from "../job/payload.ts";
import { uuidV7 } from "../job/uuid-v7.ts";
import { asQueueError, DuplicateJobError, InvalidOptionError } from "../queue-errors.ts";
import { ScheduleRegistry } from "../schedules/schedule-registry.ts";
import { ServiceRegistry } from "../services/service-registry.ts";
import { checkedSchema, installSchema } from "../sql/install-schema.ts";
import { checkOptions, type EachOptions, type EnqueueOptions, type Enqueued } from "./enqueue-options.ts";
import { Enqueuer, insertJobs, type InsertTarget, type JobKind, type NewJob } from "./enqueuer.ts";
import { HolderVerdicts } from "./holder-verdicts.ts";
import { JobAdministration } from "./job-administration.ts";
import { rowsOf, type QueuePool, type Transaction } from "./queue-pool.ts";
import { QueueRegistry } from "./queue-registry.ts";
import type { WakeUp } from "./wake-up.ts";

export interface WorkQueueOptions {
  /** `pg.Pool`, or failover-pool's `FailoverPool`. */
  readonly pool: QueuePool;
  /** In which the tables stand. work_queue. */
  readonly schema?: string;
  /** A message server's way to wake workers. Without: NOTIFY. */
  readonly wakeUp?: WakeUp;
  /** What `enqueueNamed` checks payloads with. */
  readonly jobs?: readonly JobDefinition<never, unknown>[];
}

export interface ManyOptions extends Pick<EnqueueOptions, "in" | "delayMs" | "runAt" | "priority" | "orderingKey"> {
  /** Options of single ones. */
  readonly each?: (index: number) => EachOptions;
}

/** A job by the names of its queue and type, as an HTTP API or a shell has it. */
export interface NamedJob extends Omit<EnqueueOptions, "in"> {
  readonly queue: string;
  readonly type: string;
  readonly payload?: unknown;
  /** Of types that are not defined here. False. */
  readonly restartable?: boolean;
  /** Of types that are not defined here. 5 when restartable, else 1. */
  readonly attempts?: number;
}

/** Definitions as they are kept: whose payloads they take is asked when one is enqueued. */
type AnyDefinition = JobDefinition<never, unknown>;

const mostInOneStatement = 10_000;

export class WorkQueue {
  readonly pool: QueuePool;
  readonly schema: string;
  readonly wakeUp: WakeUp | undefined;
  readonly jobs: JobAdministration;
  readonly queues: QueueRegistry;
  readonly services: ServiceRegistry;
  readonly schedules: ScheduleRegistry;
  readonly holders: HolderVerdicts;
  readonly #definitions: ReadonlyMap<string, AnyDefinition>;
  readonly #target: InsertTarget;
  readonly #enqueuer: Enqueuer;

  constructor({ pool, schema, wakeUp, jobs = [] }: WorkQueueOptions) {
    this.pool = pool;
    this.schema = checkedSchema(schema);
    this.wakeUp = wakeUp;
    this.#definitions = new Map(jobs.map((definition) => [`${definition.queue} ${definition.type}`, definition]));
    const publish = (message: string): void => this.publish(message);
    this.jobs = new JobAdministration(pool, this.schema, publish);
    this.queues = new QueueRegistry(pool, this.schema, publish);
    this.services = new ServiceRegistry(pool, this.schema, publish);
    this.schedules = new ScheduleRegistry(pool, this.schema, publish);
    this.holders = new HolderVerdicts(pool, this.schema);
    this.#target = { schema: this.schema, notifies: wakeUp === undefined };
    this.#enqueuer = new Enqueuer(pool, this.#target, (queue) => wakeUp?.publish(`q ${queue}`));
  }

  /** Makes tables and functions where they are missing. For migrations of your own: `schemaSql`. */
  install(): Promise<void> {
    return installSchema(this.pool, this.schema);
  }

  /**
   * One job. Resolves when it is committed, or with `in` when it is part of that transaction.
   * @throws InvalidPayloadError, PayloadTooLargeError, UnknownQueueError, DuplicateJobError, InvalidOptionError
   */
  async enqueue<Input, Payload>(
    definition: JobDefinition<Input, Payload>,
    payload: Input,
    options?: EnqueueOptions,
  ): Promise<Enqueued> {
    if (options !== undefined) checkOptions(options);
    const checking = checkedPayload(definition.type, definition.schema, payload);
    if (checking instanceof Promise) await checking;
    const document = await this.#document(definition, payload);
    if (options === undefined) {
      const id = uuidV7();
      await this.#enqueuer.add(definition, { id, document });
      return { id, outcome: "enqueued" };
    }
    return this.#enqueueOne(definition, document, options);
  }

  /** All of them or none, in one statement for every 10,000. Returns their ids in order. */
  async enqueueMany<Input, Payload>(
    definition: JobDefinition<Input, Payload>,
    payloads: readonly Input[],
    options: ManyOptions = {},
  ): Promise<string[]> {
    checkOptions(options);
    const jobs: NewJob[] = [];
    const limit = this.queues.maxPayloadBytes(definition.queue);
    const maxBytes = limit instanceof Promise ? await limit : limit;
    for (const [index, payload] of payloads.entries()) {
      const checking = checkedPayload(definition.type, definition.schema, payload);
      if (checking instanceof Promise) await checking;
      const document = payloadDocument(definition.type, payload, maxBytes);
      const each = options.each?.(index);
      if (each !== undefined) checkOptions(each);
      jobs.push({
        id: uuidV7(),
        document,
        priority: each?.priority ?? options.priority,
        delayMs: each?.delayMs ?? (each?.runAt === undefined ? options.delayMs : undefined),
        runAt: each?.runAt ?? (each?.delayMs === undefined ? options.runAt : undefined),
        orderingKey: each?.orderingKey ?? options.orderingKey,
      });
    }
    if (jobs.length > 0) await this.#insertMany(definition, jobs, options.in);
    return jobs.map(({ id }) => id);
  }

  /** By names. A type that is defined here is checked by its definition; another one is taken as it is. */
  async enqueueNamed(job: NamedJob): Promise<Enqueued> {
    const { queue, type, payload, restartable = false, attempts, ...options } = job;
    const known = this.#definitions.get(`${queue} ${type}`);
    if (known !== undefined) return this.enqueue(known, payload as never, options);
    if (type === "" || type.length > 200) throw new InvalidOptionError(`"${type}" is no type of a job`);
    checkOptions(options);
    const kind: JobKind = { queue, type, restartable, attempts: attempts ?? (restartable ? 5 : 1), priority: 0 };
    if (!Number.isInteger(kind.attempts) || kind.attempts < 1)
      throw new InvalidOptionError("attempts must be at least 1");
    return this.#enqueueOne(kind, await this.#document(kind, payload), options);
  }

  /** Wakes workers beside NOTIFY; only where the application gave a way. */
  publish(message: string): void {
    if (this.wakeUp !== undefined) this.wakeUp.publish(message);
    else void this.pool.query("SELECT pg_notify($1, $2)", [this.schema, message]).catch(() => undefined);
  }

  async #document({ queue, type }: JobKind, payload: unknown): Promise<string> {
    const limit = this.queues.maxPayloadBytes(queue);
    return payloadDocument(type, payload, limit instanceof Promise ? await limit : limit);
  }

  async #enqueueOne(kind: JobKind, document: string, options: EnqueueOptions): Promise<Enqueued> {
    const { uniqueKey, priority, delayMs, runAt, orderingKey } = options;
    const id = options.id ?? uuidV7();
    const job: NewJob = { id, document, priority, delayMs, runAt, orderingKey };
    if (options.id === undefined && uniqueKey === undefined) {
      if (options.in === undefined) await this.#enqueuer.add(kind, job);
      else await this.#told(insertJobs(options.in, { ...this.#target, notifies: true }, kind, [job]));
      return { id, outcome: "enqueued" };
    }
    const answer = await this.#told(
      (options.in ?? this.pool).query(
        `SELECT id, outcome FROM ${this.schema}.enqueue_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
        [
          kind.queue,
          kind.type,
          kind.restartable,
          kind.attempts,
          priority ?? kind.priority,
          id,
          document,
          delayMs ?? null,
          runAt?.toISOString() ?? null,
          orderingKey ?? null,
          uniqueKey ?? null,
          options.ifExists ?? "skip",
          this.#target.notifies || options.in !== undefined,
        ],
      ),
    );
    const [result] = rowsOf<{ id: string; outcome: Enqueued["outcome"] | "rejected" }>(answer);
    const { outcome, id: found } = result as { id: string; outcome: Enqueued["outcome"] | "rejected" };
    if (outcome === "rejected") throw new DuplicateJobError(uniqueKey ?? "", found);
    if (options.in === undefined) this.wakeUp?.publish(`q ${kind.queue}`);
    return { id: found, outcome };
  }

  async #insertMany(kind: JobKind, jobs: readonly NewJob[], within: Transaction | undefined): Promise<void> {
    if (within === undefined && jobs.length <= mostInOneStatement) {
      await this.#told(insertJobs(this.pool, this.#target, kind, jobs));
      this.wakeUp?.publish(`q ${kind.queue}`);
      return;
    }
    const insertAll = async (where: Transaction): Promise<void> => {
      for (let at = 0; at < jobs.length; at += mostInOneStatement)
        await insertJobs(where, { ...this.#target, notifies: true }, kind, jobs.slice(at, at + mostInOneStatement));
    };
    if (within !== undefined) return this.#told(insertAll(within));
    const client = await this.pool.connect();
    let failure: unknown;
    try {
      await client.query("BEGIN");
      await insertAll(client);
      await client.query("COMMIT");
    } catch (error) {
      failure = error;
      await client.query("ROLLBACK").catch(() => undefined);
      throw asQueueError(error);
    } finally {
      client.release(failure instanceof Error ? failure : undefined);
    }
  }

  async #told<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } catch (error) {
      throw asQueueError(error);
    }
  }
}
