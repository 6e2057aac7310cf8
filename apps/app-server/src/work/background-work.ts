/**
 * Background work of one incarnation: the work queue for its applications, and the worker that runs their jobs and
 * services as the cluster configuration says.
 *
 *   new ──prepare──► ready ──accept──► working ◄──accept/drain──► draining ──stop──► stopped
 *                                         └────────────── lose ──────────────► lost
 *
 * - G1 holds here too: everything of it carries the pinned incarnation, as the holder of jobs and in the database.
 * - Q3: from `lose` on nothing is fetched, every handler's signal is aborted, and nothing more is written.
 * - The message server alone says who is lost (`guardedBy: "application"`); workers do not judge each other.
 */
import { availableParallelism } from "node:os";
import type { ClusterSettings } from "@understudy/contracts";
import {
  Backoff,
  createPool,
  installCommitMarkers,
  installWorkQueue,
  pause,
  withOwner,
  workQueueSchema,
  type ApplicationWork,
  type BusinessApplication,
  type DatabaseSettings,
  type FailoverPool,
  type Identity,
  type Log,
  type SettingsWatch,
} from "@understudy/runtime";
import { Worker, WorkQueue, type WakeUp } from "@understudy/work-queue";
import { planWorkers, type WorkerPlan } from "./queue-workers.ts";
import type { WorkMetrics } from "./work-metrics.ts";

export interface WorkSurroundings {
  readonly identity: Identity;
  readonly database: DatabaseSettings;
  readonly settings: SettingsWatch;
  readonly wakeUp: WakeUp;
  readonly metrics: WorkMetrics;
  readonly log: Log;
}

const graceMs = 1_000;
/** For services to be handed over before their worker ends. */
const handOverMs = 1_500;

export class BackgroundWork {
  readonly pool: FailoverPool;
  readonly queue: WorkQueue;
  readonly #abort = new AbortController();
  #works: readonly ApplicationWork[] = [];
  #worker: Worker | undefined;
  #starting: Promise<void> | undefined;
  #accepts = false;
  #plan: WorkerPlan;

  constructor(
    private readonly surroundings: WorkSurroundings,
    applications: readonly BusinessApplication[],
    configuration: Readonly<Record<string, unknown>>,
  ) {
    const { database, identity, settings, wakeUp, log } = surroundings;
    this.pool = createPool(database, identity, { assertsStanding: true }, log);
    const jobs = applications.flatMap((application) => application.jobs?.(configuration) ?? []);
    this.queue = new WorkQueue({ pool: this.pool, schema: workQueueSchema, wakeUp, jobs });
    this.#plan = this.#planOf(settings.current);
    settings.onChange((current) => this.#changed(current));
  }

  #planOf(settings: ClusterSettings): WorkerPlan {
    return planWorkers(settings.workQueues, this.surroundings.identity.id, availableParallelism());
  }

  /** Jobs that run now. */
  get running(): number {
    return this.#worker?.figures.running ?? 0;
  }

  /** Tables and queues; may be repeated. */
  async prepareQueues(): Promise<void> {
    const { database, identity, log } = this.surroundings;
    await withOwner(database, identity, { assertsStanding: true }, log, async (owner) => {
      await installCommitMarkers(owner);
      await installWorkQueue(owner);
    });
    for (const queue of this.#plan.queues) await this.queue.queues.define(queue);
  }

  /** What the applications run, and their services and schedules; may be repeated. */
  async prepare(works: readonly ApplicationWork[]): Promise<void> {
    this.#works = works;
    for (const work of works) await work.define(this.queue);
  }

  /** Works, from now on; tries until the database lets it. */
  accept(): void {
    if (this.#abort.signal.aborted) return;
    this.#accepts = true;
    this.#worker?.setQueues(this.#plan.jobs);
    this.#starting ??= this.#start();
  }

  /** Begins nothing new; what runs goes on. The message server moves its services. */
  drain(): void {
    this.#accepts = false;
    this.#worker?.setQueues([]);
  }

  async #start(): Promise<void> {
    const { log, metrics } = this.surroundings;
    const backoff = new Backoff(100, 5_000);
    while (!this.#abort.signal.aborted) {
      const worker = this.#newWorker();
      try {
        await worker.start();
        this.#worker = worker;
        if (this.#abort.signal.aborted) worker.lose("The app server went on without it.");
        worker.setQueues(this.#accepts ? this.#plan.jobs : []);
        metrics.watch(worker);
        if (this.#plan.refused !== undefined) log.warn({ reason: this.#plan.refused }, "workers are left out");
        log.info({ queues: this.#plan.jobs, services: this.#plan.services }, "works on queues");
        return;
      } catch (error) {
        log.warn({ reason: (error as Error).message }, "the worker cannot start yet");
        await worker.stop({ drainMs: 0 }).catch(() => undefined);
        await pause(backoff.nextMs(), this.#abort.signal);
      }
    }
  }

  #newWorker(): Worker {
    const { identity, log } = this.surroundings;
    const plan = () => this.#plan.services;
    const worker = new Worker({
      work: this.queue,
      holder: identity.ref,
      queues: [],
      handlers: this.#works.flatMap(({ handlers }) => handlers),
      services: {
        queue: plan().queue,
        // Read at each look: a change of the settings needs no restart.
        get most() {
          return plan().most;
        },
        handlers: this.#works.flatMap(({ services }) => services),
      },
      guardedBy: "application",
      graceMs,
    });
    worker.on("lost", (reason) => {
      log.warn({ reason, incarnation: identity.incarnation }, "the worker lost its standing");
      if (!this.#abort.signal.aborted) identity.standingRefused();
    });
    worker.on("failed", (job) => log.warn({ job }, "a job failed for good"));
    worker.on("parked", (job) => log.warn({ job }, "nobody can run a job; it is parked"));
    worker.on("refused", (job) => log.warn({ job }, "a completion came too late and was refused"));
    worker.on("blocked", (block) => log.warn({ block }, "a job blocks the event loop"));
    worker.on("databaseAway", (error) => log.warn({ reason: error.message }, "the worker waits for the database"));
    worker.on("databaseBack", () => log.info("the worker has the database again"));
    return worker;
  }

  #changed(settings: ClusterSettings): void {
    if (this.#abort.signal.aborted) return;
    const before = this.#plan;
    this.#plan = this.#planOf(settings);
    if (JSON.stringify(before) === JSON.stringify(this.#plan)) return;
    const { log } = this.surroundings;
    log.info({ queues: this.#plan.jobs, services: this.#plan.services }, "the workers change");
    if (this.#plan.refused !== undefined) log.warn({ reason: this.#plan.refused }, "workers are left out");
    void this.#redefine();
  }

  async #redefine(): Promise<void> {
    const backoff = new Backoff(200, 5_000);
    while (!this.#abort.signal.aborted) {
      try {
        for (const queue of this.#plan.queues) await this.queue.queues.define(queue);
        break;
      } catch (error) {
        this.surroundings.log.warn({ reason: (error as Error).message }, "queues cannot be changed yet");
        await pause(backoff.nextMs(), this.#abort.signal);
      }
    }
    if (this.#abort.signal.aborted) return;
    this.#worker?.setQueues(this.#accepts ? this.#plan.jobs : []);
    this.queue.publish("s");
  }

  /** Q3 */
  lose(reason: string): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#worker?.lose(reason);
  }

  /** Ends in peace: services are handed over, jobs get `drainMs`; what does not end goes back to its queue. */
  async stop(drainMs: number): Promise<void> {
    if (this.#abort.signal.aborted) return;
    this.drain();
    const worker = this.#worker;
    worker?.drainServices();
    for (let waitedMs = 0; waitedMs < handOverMs && (worker?.figures.services ?? 0) > 0; waitedMs += 50)
      await pause(50);
    this.#abort.abort();
    await this.#starting;
    await this.#worker?.stop({ drainMs });
  }

  /** Whatever still runs ends with it. */
  async close(): Promise<void> {
    this.lose("Its app server goes on without it.");
    await this.#starting;
    await this.pool.end();
  }
}
