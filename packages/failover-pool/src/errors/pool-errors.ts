/** What the pool itself tells a caller. Each says whether anything was committed and what the caller may do. */

export type Committed = "no" | "yes" | "unknown";

export abstract class FailoverError extends Error {
  abstract readonly code: string;
  /** Of the operation that failed. */
  abstract readonly committed: Committed;
  /** What the caller may do, in a sentence. */
  abstract readonly advice: string;
}

export interface HostReason {
  readonly host: string;
  readonly reason: string;
}

/** No primary was found in the time that callers are held (`holdMaxMs`), or too many are held already. */
export class DatabaseUnavailableError extends FailoverError {
  override readonly name = "DatabaseUnavailableError";
  readonly code = "DATABASE_UNAVAILABLE";
  readonly committed = "no";
  readonly advice = "Nothing was done. Try again later.";

  constructor(
    why: string,
    readonly hosts: readonly HostReason[],
    cause?: unknown,
  ) {
    const reasons = hosts.map(({ host, reason }) => `${host}: ${reason}`).join("; ");
    super(reasons === "" ? why : `${why} ${reasons}`, { cause });
  }
}

/** A transaction was run again after its connection was lost, and a statement gave another result than the caller saw. */
export class ReplayDivergedError extends FailoverError {
  override readonly name = "ReplayDivergedError";
  readonly code = "REPLAY_DIVERGED";
  readonly committed = "no";
  readonly advice = "Nothing was committed. Run the whole transaction again, from its first read.";

  constructor(
    readonly statement: string,
    readonly position: number,
    what: string,
  ) {
    super(
      `The connection was lost inside a transaction, and statement ${position} of its replay ${what}: ${statement.slice(0, 200)}`,
    );
  }
}

/** A transaction was lost before COMMIT was sent, and it cannot be run again. */
export class TransactionLostError extends FailoverError {
  override readonly name = "TransactionLostError";
  readonly code = "TRANSACTION_LOST";
  readonly committed = "no";
  readonly advice = "Nothing was committed. Run the whole transaction again.";

  constructor(why: string, cause: unknown) {
    super(`The connection was lost inside a transaction that cannot be replayed: ${why}`, { cause });
  }
}

/** The connection had state that a new one does not have (P6). */
export class SessionStateLostError extends FailoverError {
  override readonly name = "SessionStateLostError";
  readonly code = "SESSION_STATE_LOST";
  readonly committed = "no";
  readonly advice = "This statement was not run. Release the client, take another one and set its state anew.";

  constructor(
    readonly effects: readonly string[],
    cause: unknown,
  ) {
    super(`The connection was lost, and with it the state of its session: ${effects.join(", ")}.`, { cause });
  }
}

/** Whether it happened could not be found out: the database stays away, or there was no way to mark the statement. */
export class OutcomeUnknownError extends FailoverError {
  override readonly name = "OutcomeUnknownError";
  readonly code = "OUTCOME_UNKNOWN";
  readonly committed = "unknown";
  readonly advice: string;

  constructor(
    why: string,
    /** Present where the outcome is still being found out; the pool's `resolved` event tells it. */
    readonly operation: string | undefined,
    cause: unknown,
  ) {
    super(`Whether it was committed is unknown: ${why}`, { cause });
    this.advice =
      operation === undefined
        ? "Look whether it happened before doing it again."
        : `Look whether it happened before doing it again, or wait for the pool's event "resolved" of ${operation}.`;
  }
}

/** An autocommit write is committed, exactly once, and its answer (row counts, RETURNING) is lost. */
export class ResultLostError extends FailoverError {
  override readonly name = "ResultLostError";
  readonly code = "RESULT_LOST";
  readonly committed = "yes";
  readonly advice = "It is committed; do not do it again. Read what you need.";

  constructor(
    statement: string,
    readonly operation: string,
    cause: unknown,
  ) {
    super(`The write is committed and its result was lost with the connection: ${statement.slice(0, 200)}`, { cause });
  }
}

/** COMMIT was answered by ROLLBACK: a statement before it had failed, or the transaction was already over. */
export class RolledBackError extends FailoverError {
  override readonly name = "RolledBackError";
  readonly code = "ROLLED_BACK";
  readonly committed = "no";
  readonly advice = "Nothing was committed: a statement of the transaction had failed. Run it again.";

  constructor() {
    super("COMMIT was answered by ROLLBACK: the transaction had failed before.");
  }
}

/** D4: an acknowledged commit must be on two instances, so nobody may lower `synchronous_commit` here. */
export class SynchronousCommitError extends FailoverError {
  override readonly name = "SynchronousCommitError";
  readonly code = "SYNCHRONOUS_COMMIT_LOWERED";
  readonly committed = "no";
  readonly advice =
    "Leave synchronous_commit at on, or set the pool's `continuity: false` and lose commits at a failover.";

  constructor() {
    super("synchronous_commit may not be lowered: a commit that was acknowledged could be lost when the primary is.");
  }
}
