/**
 * Tells the database how runs ended, in batches: what ends while a statement is on its way goes with the next one.
 *
 * It owns what was ended and not yet accepted. A database that is away is asked again, with growing waits, until the
 * life is over: nothing is forgotten, and Q2 makes a repetition harmless.
 */
import { setTimeout as wait } from "node:timers/promises";
import { retryWaitMs } from "../job/retry-wait.ts";
import { isFaultOfData } from "../queue-errors.ts";
import { rowsOf, type QueuePool } from "../queue/queue-pool.ts";
import type { ClaimedJob, RunningJob } from "./running-job.ts";

export type Ending = "retry" | "release" | "failed" | "cancelled" | "aborted" | "foreign";

/** Of a run, what the books need; also of jobs that were claimed and never started. */
export interface SettledRun {
  readonly id: string;
  readonly attempt: number;
  readonly queue: string;
  readonly type: string;
  readonly startedAtMs: number;
  readonly claimed: ClaimedJob;
  readonly keepCompletedSeconds: number;
}

export interface Settlement {
  readonly run: SettledRun;
  /** Undefined: completed. */
  readonly ending?: Ending;
  readonly delayMs?: number;
  readonly reason?: string;
  /** Of a completed one, as JSON. */
  readonly result?: string | undefined;
  /** The handler's own transaction completed it. */
  readonly isCommitted?: boolean;
}

export interface SettlerReport {
  settled(settlement: Settlement): void;
  /** Somebody else has the job, or another attempt. */
  refused(settlement: Settlement): void;
  /** A batch was accepted: there is room for more. */
  hasRoom(): void;
  databaseFailed(error: unknown): void;
  databaseAnswered(): void;
}

const mostInOne = 2_000;
const waits = { firstMs: 50, factor: 2, maxMs: 2_000, jitter: 0.5 };

const list = (runs: readonly Settlement[], of: (run: SettledRun) => string | number): string =>
  `{${runs.map(({ run }) => of(run)).join(",")}}`;

export class Settler {
  #completed: Settlement[] = [];
  #others: Settlement[] = [];
  #progress = new Map<RunningJob, string>();
  #isCompleting = false;
  #isGivingBack = false;
  #isOver = false;
  #idle: (() => void)[] = [];
  /** Taken from the lists and not yet accepted. */
  #underWay = 0;
  readonly #batches = new Set<readonly Settlement[]>();

  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
    private readonly incarnation: string,
    private readonly report: SettlerReport,
  ) {}

  /** Ended and not yet accepted. */
  get unsettled(): number {
    return this.#completed.length + this.#others.length + this.#underWay;
  }

  /** Ended here, and perhaps still running in the database. */
  has(id: string): boolean {
    return [this.#completed, this.#others, ...this.#batches].some((list) => list.some(({ run }) => run.id === id));
  }

  complete(settlement: Settlement): void {
    this.#completed.push(settlement);
    if (this.#isCompleting) return;
    this.#isCompleting = true;
    setImmediate(() => void this.#drain("completed"));
  }

  giveBack(settlement: Settlement): void {
    this.#others.push(settlement);
    if (this.#isGivingBack) return;
    this.#isGivingBack = true;
    setImmediate(() => void this.#drain("others"));
  }

  noteProgress(run: RunningJob, document: string): void {
    this.#progress.set(run, document);
  }

  /** Resolves when everything is accepted, or the life is over. */
  async flushed(): Promise<void> {
    if (this.unsettled === 0 || this.#isOver) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Q3: nothing more is written. */
  end(): void {
    this.#isOver = true;
    this.#completed = [];
    this.#others = [];
    this.#progress.clear();
    this.#tellIdle();
  }

  async #drain(which: "completed" | "others"): Promise<void> {
    for (;;) {
      const all = which === "completed" ? this.#completed : this.#others;
      if (all.length === 0 || this.#isOver) break;
      const batch = all.splice(0, mostInOne);
      this.#underWay += batch.length;
      this.#batches.add(batch);
      await this.#settle(which, batch);
      this.#batches.delete(batch);
      this.#underWay -= batch.length;
      if (!this.#isOver) this.report.hasRoom();
    }
    if (which === "completed") this.#isCompleting = false;
    else this.#isGivingBack = false;
    if (this.unsettled === 0) this.#tellIdle();
  }

  #tellIdle(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  async #settle(which: "completed" | "others", batch: readonly Settlement[]): Promise<void> {
    for (let tries = 1; !this.#isOver; tries++) {
      try {
        const refused = new Set(which === "completed" ? await this.#complete(batch) : await this.#giveBack(batch));
        this.report.databaseAnswered();
        for (const settlement of batch) {
          if (!refused.has(settlement.run.id)) this.report.settled(settlement);
          // A repetition may be refused because the first one was heard after all.
          else if (tries === 1) this.report.refused(settlement);
        }
        return;
      } catch (error) {
        if (isCommitted(error)) {
          for (const settlement of batch) this.report.settled(settlement);
          return;
        }
        if (isFaultOfData(error)) return this.#takeApart(which, batch, error);
        this.report.databaseFailed(error);
        await wait(retryWaitMs(waits, tries));
      }
    }
  }

  /** One result that the database cannot store must not hold up the others. */
  async #takeApart(which: "completed" | "others", batch: readonly Settlement[], error: unknown): Promise<void> {
    const [only] = batch;
    if (batch.length > 1) for (const one of batch) await this.#settle(which, [one]);
    else if (only !== undefined && which === "completed")
      this.giveBack({ run: only.run, ending: "failed", reason: `Its result cannot be stored: ${messageOf(error)}` });
    else if (only !== undefined) this.report.refused(only);
  }

  async #complete(batch: readonly Settlement[]): Promise<readonly string[]> {
    const keep = batch[0]?.run.keepCompletedSeconds ?? 0;
    const keeps = batch.map(({ run }) => run.keepCompletedSeconds);
    const hasResults = batch.some(({ result }) => result !== undefined);
    const answer = await this.pool.query(`SELECT ${this.schema}.complete($1, $2, $3, $4, $5, $6) AS refused`, [
      this.incarnation,
      list(batch, ({ id }) => id),
      list(batch, ({ attempt }) => attempt),
      hasResults ? batch.map(({ result }) => result ?? "").join("\n") : null,
      keeps.every((one) => one === keep) ? null : keeps,
      keep,
    ]);
    return rowsOf<{ refused: string[] | null }>(answer)[0]?.refused ?? [];
  }

  async #giveBack(batch: readonly Settlement[]): Promise<readonly string[]> {
    const answer = await this.pool.query(`SELECT ${this.schema}.give_back($1, $2, $3, $4, $5, $6) AS refused`, [
      this.incarnation,
      list(batch, ({ id }) => id),
      list(batch, ({ attempt }) => attempt),
      batch.map(({ ending }) => ending),
      batch.map(({ delayMs }) => delayMs ?? 0),
      batch.map(({ reason }) => reason?.replaceAll("\0", "\u{fffd}").slice(0, 4_000) ?? null),
    ]);
    return rowsOf<{ refused: string[] | null }>(answer)[0]?.refused ?? [];
  }

  /** The newest of each run; called now and then. What is lost on the way is followed by newer. */
  async sendProgress(): Promise<void> {
    if (this.#progress.size === 0 || this.#isOver) return;
    const entries = [...this.#progress].filter(([run]) => !run.isEnded);
    this.#progress.clear();
    if (entries.length === 0) return;
    await this.pool
      .query(`SELECT ${this.schema}.report_progress($1, $2, $3, $4)`, [
        this.incarnation,
        entries.map(([run]) => run.id),
        entries.map(([run]) => run.attempt),
        entries.map(([, document]) => document).join("\n"),
      ])
      .catch((error: unknown) => this.report.databaseFailed(error));
  }
}

/** failover-pool says so when a write is committed and only its answer was lost. */
const isCommitted = (error: unknown): boolean => (error as { committed?: unknown } | undefined)?.committed === "yes";

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
