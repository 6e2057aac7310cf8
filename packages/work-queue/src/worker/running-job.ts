/**
 * One run of a job: what its handler sees of it, and what its worker knows. A run ends once; what a handler does after
 * that, twice or too late, changes nothing here and is refused in the database.
 */
import type { JobContext } from "../job/job-context.ts";
import type { JobHandler } from "../job/job-definition.ts";
import { asQueueError, InvalidPayloadError, JobLostError } from "../queue-errors.ts";
import type { Transaction } from "../queue/queue-pool.ts";

/** A row of `claim`. */
export interface ClaimedJob {
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
  /** With this run; 1 is the last. */
  readonly attempts_left: number;
  readonly restartable: boolean;
  readonly priority: number;
  readonly seq: string;
  /** Seconds. */
  readonly enqueued_at: number;
  readonly payload: string;
}

export interface RunOwner {
  readonly schema: string;
  readonly incarnation: string;
  /** Q3: false from the moment at which the loss of standing is known. */
  readonly isOver: boolean;
  noteProgress(run: RunningJob, document: string): void;
}

const longestProgress = 64 * 1024;

export class RunningJob implements JobContext {
  readonly startedAtMs = performance.now();
  isEnded = false;
  /** Its handler said `completeIn`: whether it is completed is known to the database alone. */
  usedTransaction = false;
  /** When its time is over; undefined: never. */
  deadlineMs: number | undefined;
  abortReason: Error | undefined;
  #controller: AbortController | undefined;

  constructor(
    private readonly owner: RunOwner,
    readonly queue: string,
    readonly claimed: ClaimedJob,
    readonly handler: JobHandler,
  ) {
    const { timeoutMs } = handler.definition;
    this.deadlineMs = timeoutMs === undefined ? undefined : this.startedAtMs + timeoutMs;
  }

  get id(): string {
    return this.claimed.id;
  }
  get type(): string {
    return this.claimed.type;
  }
  get attempt(): number {
    return this.claimed.attempt;
  }
  /** As `attempt`, counted anew after a restart by hand, and without runs that were lost with their worker. */
  get round(): number {
    return Math.max(1, this.handler.definition.attempts - this.claimed.attempts_left + 1);
  }
  get isLastAttempt(): boolean {
    return this.claimed.attempts_left <= 1;
  }
  get keepCompletedSeconds(): number {
    return this.handler.definition.keepCompletedSeconds;
  }
  get enqueuedAt(): Date {
    return new Date(this.claimed.enqueued_at * 1000);
  }

  /** Made when somebody asks for it: most handlers of short jobs never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.abortReason !== undefined) this.#controller.abort(this.abortReason);
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    if (this.abortReason !== undefined) return;
    this.abortReason = reason;
    this.#controller?.abort(reason);
  }

  progress(value: unknown): void {
    if (this.isEnded || this.owner.isOver) return;
    const document = JSON.stringify(value === undefined ? null : value);
    if (document === undefined || document.length > longestProgress)
      throw new InvalidPayloadError(this.type, [`progress must be JSON of at most ${longestProgress} characters`]);
    this.owner.noteProgress(this, document);
  }

  async completeIn(transaction: Transaction, result?: unknown): Promise<void> {
    this.#assertOwn();
    this.usedTransaction = true;
    const document = result === undefined ? "" : JSON.stringify(result);
    await this.#ask(transaction, "complete_in($1, $2, $3, $4, $5)", [
      document ?? "",
      this.handler.definition.keepCompletedSeconds,
    ]);
  }

  async assertHeld(transaction: Transaction): Promise<void> {
    this.#assertOwn();
    await this.#ask(transaction, "assert_held($1, $2, $3)", []);
  }

  async #ask(transaction: Transaction, call: string, more: readonly unknown[]): Promise<void> {
    try {
      await transaction.query(`SELECT ${this.owner.schema}.${call}`, [
        this.owner.incarnation,
        this.id,
        this.attempt,
        ...more,
      ]);
    } catch (error) {
      throw asQueueError(error);
    }
  }

  /** L8, Q3: what is known here needs no question. */
  #assertOwn(): void {
    if (this.isEnded || this.owner.isOver)
      throw new JobLostError(`Attempt ${this.attempt} of job ${this.id} is over; it cannot be completed any more.`);
  }
}
