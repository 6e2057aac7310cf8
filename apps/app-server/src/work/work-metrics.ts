/** Queues as Prometheus sees them: what this app server ran, and how full the queues are. */
import type { QueueFigures, Worker } from "@understudy/work-queue";
import { Counter, Gauge, Histogram } from "prom-client";

/** Figures come from the database, so scrapes of many servers shortly after each other share nothing but this wait. */
const freshMs = 2_000;

const outcomes = new Counter({
  name: "understudy_work_queue_jobs_total",
  help: "Runs of jobs on this app server by how they ended.",
  labelNames: ["queue", "type", "outcome"] as const,
});
const runTime = new Histogram({
  name: "understudy_work_queue_run_seconds",
  help: "How long jobs ran on this app server.",
  labelNames: ["queue", "type"] as const,
  buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600, 3_600],
});
const waitTime = new Histogram({
  name: "understudy_work_queue_wait_seconds",
  help: "From the enqueuing of a completed job to its start.",
  labelNames: ["queue"] as const,
  buckets: [0.002, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600, 3_600],
});

export class WorkMetrics {
  #worker: Worker | undefined;
  #figures: readonly QueueFigures[] = [];
  #readAtMs = -Infinity;

  constructor(private readonly read: () => Promise<readonly QueueFigures[]>) {
    const figures = () => this.#fresh();
    const worker = () => this.#worker?.figures;
    void new Gauge({
      name: "understudy_work_queue_depth",
      help: "Jobs of a queue by state, in the whole cluster.",
      labelNames: ["queue", "state"] as const,
      async collect() {
        this.reset();
        for (const queue of await figures())
          for (const state of ["ready", "delayed", "waiting", "running", "parked", "failed", "aborted"] as const)
            this.set({ queue: queue.name, state }, queue[state]);
      },
    });
    void new Gauge({
      name: "understudy_work_queue_oldest_seconds",
      help: "How long the oldest job that may start has waited.",
      labelNames: ["queue"] as const,
      async collect() {
        this.reset();
        for (const { name, oldestReadyMs } of await figures()) this.set({ queue: name }, oldestReadyMs / 1_000);
      },
    });
    void new Gauge({
      name: "understudy_work_queue_running",
      help: "Jobs that run on this app server.",
      collect() {
        this.set(worker()?.running ?? 0);
      },
    });
    void new Gauge({
      name: "understudy_work_queue_services",
      help: "Services that run on this app server.",
      collect() {
        this.set(worker()?.services ?? 0);
      },
    });
    void new Gauge({
      name: "understudy_work_queue_refused",
      help: "Completions of this incarnation that came too late and were refused.",
      collect() {
        this.set(worker()?.refused ?? 0);
      },
    });
  }

  watch(worker: Worker): void {
    this.#worker = worker;
    worker.on("completed", ({ queue, type, ranMs, waitedMs }) => {
      outcomes.inc({ queue, type, outcome: "completed" });
      runTime.observe({ queue, type }, ranMs / 1_000);
      waitTime.observe({ queue }, waitedMs / 1_000);
    });
    worker.on("retried", ({ queue, type, ranMs }) => {
      outcomes.inc({ queue, type, outcome: "retried" });
      runTime.observe({ queue, type }, ranMs / 1_000);
    });
    worker.on("failed", ({ queue, type, ranMs }) => {
      outcomes.inc({ queue, type, outcome: "failed" });
      runTime.observe({ queue, type }, ranMs / 1_000);
    });
    worker.on("parked", ({ queue, type }) => outcomes.inc({ queue, type, outcome: "parked" }));
  }

  async #fresh(): Promise<readonly QueueFigures[]> {
    if (performance.now() - this.#readAtMs >= freshMs) {
      this.#readAtMs = performance.now();
      // While the database is away the last figures stand, or none.
      this.#figures = await this.read().catch(() => this.#figures);
    }
    return this.#figures;
  }
}
