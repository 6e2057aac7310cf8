import type { Transaction } from "../queue/queue-pool.ts";

/** What a handler knows of its run, and what it can say. */
export interface JobContext<Result = unknown> {
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  /** 1 at first; each run has its own. */
  readonly attempt: number;
  /** After this one it is failed, not tried again. */
  readonly isLastAttempt: boolean;
  readonly enqueuedAt: Date;
  /**
   * Aborted when the job is cancelled, takes too long, is lost (its worker was declared lost: Q3) or its worker stops.
   * Whoever goes on regardless can do what it likes: its completion is refused.
   */
  readonly signal: AbortSignal;
  /** Kept with the job, for people to look at; sent twice a second at most. */
  progress(value: unknown): void;
  /**
   * Completes the job inside the caller's transaction, so that its effects and its completion are committed together,
   * exactly once. Throws `JobLostError` when somebody else has the job; that transaction then cannot commit.
   */
  completeIn(transaction: Transaction, result?: Result): Promise<void>;
  /** Throws `JobLostError`, and fails the transaction, unless the job is still this run's. For effects before its end. */
  assertHeld(transaction: Transaction): Promise<void>;
}
