/**
 * Runs jobs, services and schedules; in any number of processes.
 *
 * States: new -> running -> (lost -> running, under a new incarnation) -> stopping -> stopped. It owns one life at a
 * time, the threads and the block detector; counts what became of jobs; and tells about it in events.
 */
import { EventEmitter } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { retryWaitMs } from "../job/retry-wait.ts";
import { uuidV7 } from "../job/uuid-v7.ts";
import { InvalidOptionError, StandingLostError } from "../queue-errors.ts";
import { BlockDetector, type SeenBlock } from "./block-detector.ts";
import type { Settlement } from "./settler.ts";
import { ThreadPool } from "./thread-pool.ts";
import { WorkerLife, type LifeReport } from "./worker-life.ts";
import type { EndedRun, WorkerEvents, WorkerFigures, WorkerOptions, WorkerQueue } from "./worker-options.ts";

type State =
  | { readonly name: "new" | "stopped" }
  | { readonly name: "running" | "stopping"; readonly life: WorkerLife }
  /** Its incarnation is over; without one of the application's it is about to take another. */
  | { readonly name: "lost" };

const standardDrainMs = 30_000;
const renewWaits = { firstMs: 50, factor: 2, maxMs: 2_000, jitter: 0.5 };

export class Worker extends EventEmitter<WorkerEvents> {
  #state: State = { name: "new" };
  #options: WorkerOptions;
  readonly #threads: ThreadPool;
  #detector: BlockDetector | undefined;
  #isDatabaseAway = false;
  readonly #counts = { completed: 0, retried: 0, failed: 0, parked: 0, cancelled: 0, refused: 0, abandoned: 0 };

  constructor(options: WorkerOptions) {
    super();
    for (const { name, concurrency } of options.queues)
      if (!Number.isInteger(concurrency) || concurrency < 0)
        throw new InvalidOptionError(`The concurrency of queue "${name}" must be a whole number, not ${concurrency}.`);
    this.#options = options;
    this.#threads = new ThreadPool(options.threads ?? 1);
  }

  /** Of its present life. */
  get incarnation(): string | undefined {
    return "life" in this.#state ? this.#state.life.incarnation : undefined;
  }

  get figures(): WorkerFigures {
    const life = "life" in this.#state ? this.#state.life : undefined;
    return {
      state: this.#state.name,
      running: life?.runner.running.size ?? 0,
      buffered: life?.buffered ?? 0,
      services: life?.services?.running ?? 0,
      ...this.#counts,
    };
  }

  /** @throws StandingLostError when the given incarnation was declared lost; errors of the database */
  async start(): Promise<void> {
    if (this.#state.name !== "new") throw new InvalidOptionError(`This worker is ${this.#state.name}.`);
    const { blockedAfterMs = 1_000 } = this.#options;
    await this.#begin(this.#options.holder.incarnation ?? uuidV7());
    if (blockedAfterMs > 0) {
      this.#detector = new BlockDetector(blockedAfterMs, (block) => this.#blocked(block));
      this.#detector.start();
    }
  }

  async #begin(incarnation: string): Promise<void> {
    const life = new WorkerLife(
      incarnation,
      this.#options,
      this.#threads,
      this.#report(() => life),
    );
    const before = this.#state;
    this.#state = { name: "running", life };
    try {
      await life.start();
    } catch (error) {
      this.#state = before;
      life.lose(new StandingLostError("It could not be started.", { cause: error }));
      throw error;
    }
  }

  /** Queues, concurrency: from now on, without a restart. */
  setQueues(queues: readonly WorkerQueue[]): void {
    this.#options = { ...this.#options, queues };
    if (this.#state.name === "running") this.#state.life.setQueues(queues);
  }

  /** Takes no more services; those it has go on until they are moved away, or it stops. For a planned move. */
  drainServices(): void {
    if (this.#state.name === "running") this.#state.life.services?.drain();
  }

  /** The application knows that its incarnation is over. */
  lose(reason: string): void {
    if ("life" in this.#state) this.#state.life.lose(new StandingLostError(reason));
  }

  /**
   * Fetches nothing more, lets handlers end for up to `drainMs` (30,000), then aborts them; gives back what it did not
   * start and what did not end.
   */
  async stop({ drainMs = standardDrainMs }: { readonly drainMs?: number } = {}): Promise<void> {
    const state = this.#state;
    if (state.name === "running") {
      this.#state = { name: "stopping", life: state.life };
      await state.life.stop(drainMs);
    }
    this.#state = { name: "stopped" };
    await Promise.all([this.#threads.stop(), this.#detector?.stop()]);
  }

  #report(life: () => WorkerLife): LifeReport {
    return {
      lost: (error) => this.#lost(life(), error),
      settled: (settlement) => this.#settled(settlement),
      refused: ({ run }) => {
        this.#counts.refused++;
        this.emit("refused", { id: run.id });
      },
      abandoned: () => void this.#counts.abandoned++,
      serviceFailed: (name, error) => this.emit("serviceFailed", { name, error }),
      peerLost: (peer) => this.emit("peerLost", peer),
      databaseFailed: (error) => {
        if (this.#isDatabaseAway) return;
        this.#isDatabaseAway = true;
        this.emit("databaseAway", error instanceof Error ? error : new Error(String(error)));
      },
      databaseAnswered: () => {
        if (!this.#isDatabaseAway) return;
        this.#isDatabaseAway = false;
        this.emit("databaseBack");
      },
    };
  }

  #lost(life: WorkerLife, error: StandingLostError): void {
    if (!("life" in this.#state) || this.#state.life !== life) return;
    const isWanted = this.#state.name === "running";
    this.#state = isWanted ? { name: "lost" } : { name: "stopped" };
    this.emit("lost", error.message);
    // An incarnation of the application's never comes back by itself.
    if (isWanted && this.#options.holder.incarnation === undefined) void this.#renew();
  }

  async #renew(): Promise<void> {
    for (let tries = 1; this.#state.name === "lost"; tries++) {
      const incarnation = uuidV7();
      try {
        await this.#begin(incarnation);
        this.emit("renewed", incarnation);
        return;
      } catch {
        await wait(retryWaitMs(renewWaits, tries), undefined, { ref: false });
      }
    }
  }

  #settled({ run, ending, reason = "", delayMs = 0 }: Settlement): void {
    const ended = (): EndedRun => {
      const now = performance.now();
      const ranMs = now - run.startedAtMs;
      return {
        id: run.id,
        queue: run.queue,
        type: run.type,
        attempt: run.attempt,
        ranMs,
        waitedMs: Math.max(0, Date.now() - run.claimed.enqueued_at * 1000 - ranMs),
      };
    };
    switch (ending) {
      case undefined:
        this.#counts.completed++;
        if (this.listenerCount("completed") > 0) this.emit("completed", ended());
        return;
      case "retry":
        this.#counts.retried++;
        this.emit("retried", { ...ended(), reason, waitMs: delayMs });
        return;
      case "failed":
      case "aborted":
        this.#counts.failed++;
        this.emit("failed", { ...ended(), reason });
        return;
      case "cancelled":
        this.#counts.cancelled++;
        return;
      case "foreign":
        this.#counts.parked++;
        this.emit("parked", { id: run.id, queue: run.queue, type: run.type });
        return;
      case "release":
    }
  }

  #blocked({ forMs, stack }: SeenBlock): void {
    const runner = "life" in this.#state ? this.#state.life.runner : undefined;
    const running = [...new Set([...(runner?.running.values() ?? [])].map(({ type }) => type))];
    const type = runner?.entering?.type ?? (running.length === 1 ? running[0] : undefined);
    this.emit("blocked", { forMs, running, stack, ...(type !== undefined && { type }) });
  }
}
