/**
 * What this package throws. `kind` says whose it is: `caller` (yours to fix), `operational` (may pass). Functions of the
 * schema raise SQLSTATEs of their own, UQ001 to UQ003, which `asQueueError` turns into these.
 */
export type WorkQueueErrorCode =
  | "UNKNOWN_QUEUE"
  | "INVALID_PAYLOAD"
  | "PAYLOAD_TOO_LARGE"
  | "INVALID_OPTION"
  | "DUPLICATE_JOB"
  | "UNKNOWN_JOB"
  | "JOB_STATE"
  | "STANDING_LOST"
  | "JOB_LOST"
  | "JOB_CANCELLED"
  | "JOB_TIMED_OUT"
  | "WORKER_STOPPING";

export abstract class WorkQueueError extends Error {
  abstract readonly code: WorkQueueErrorCode;
  readonly kind: "caller" | "operational" = "caller";
}

export class UnknownQueueError extends WorkQueueError {
  override readonly name = "UnknownQueueError";
  readonly code = "UNKNOWN_QUEUE";
}

/** The payload does not fit the job's schema, or is nothing that JSON can hold. */
export class InvalidPayloadError extends WorkQueueError {
  override readonly name = "InvalidPayloadError";
  readonly code = "INVALID_PAYLOAD";

  constructor(
    readonly jobType: string,
    readonly faults: readonly string[],
    cause?: unknown,
  ) {
    super(`The payload of a job "${jobType}" is not valid: ${faults.join("; ")}`, { cause });
  }
}

export class PayloadTooLargeError extends WorkQueueError {
  override readonly name = "PayloadTooLargeError";
  readonly code = "PAYLOAD_TOO_LARGE";

  constructor(
    readonly jobType: string,
    readonly bytes: number,
    readonly maxBytes: number,
  ) {
    super(
      `The payload of a job "${jobType}" has ${bytes} bytes; its queue takes ${maxBytes}. Store it elsewhere and enqueue where it is.`,
    );
  }
}

export class InvalidOptionError extends WorkQueueError {
  override readonly name = "InvalidOptionError";
  readonly code = "INVALID_OPTION";
}

/** `ifExists: "reject"`: a job with this unique key is queued or running. */
export class DuplicateJobError extends WorkQueueError {
  override readonly name = "DuplicateJobError";
  readonly code = "DUPLICATE_JOB";

  constructor(
    readonly uniqueKey: string,
    /** The one that exists, where it is known. */
    readonly existing: string | undefined,
    cause?: unknown,
  ) {
    super(`A job with the unique key "${uniqueKey}" is queued or running${existing ? `: ${existing}` : ""}.`, {
      cause,
    });
  }
}

export class UnknownJobError extends WorkQueueError {
  override readonly name = "UnknownJobError";
  readonly code = "UNKNOWN_JOB";

  constructor(readonly id: string) {
    super(`There is no job ${id}; what is over is kept for a limited time.`);
  }
}

/** The job is in a state in which this cannot be done. */
export class JobStateError extends WorkQueueError {
  override readonly name = "JobStateError";
  readonly code = "JOB_STATE";
}

/** This incarnation was declared lost, or has left: it may claim and write nothing more. */
export class StandingLostError extends WorkQueueError {
  override readonly name = "StandingLostError";
  readonly code = "STANDING_LOST";
  override readonly kind = "operational";
}

/** Q2: somebody else has the job, or another attempt. Let the transaction that was to complete it fail. */
export class JobLostError extends WorkQueueError {
  override readonly name = "JobLostError";
  readonly code = "JOB_LOST";
  override readonly kind = "operational";
}

/** Reason of the handler's signal: somebody cancelled the job. */
export class JobCancelledError extends WorkQueueError {
  override readonly name = "JobCancelledError";
  readonly code = "JOB_CANCELLED";
}

/** Reason of the handler's signal: it took longer than its definition allows. */
export class JobTimedOutError extends WorkQueueError {
  override readonly name = "JobTimedOutError";
  readonly code = "JOB_TIMED_OUT";
  override readonly kind = "operational";

  constructor(readonly timeoutMs: number) {
    super(`It took longer than ${timeoutMs} ms.`);
  }
}

/** Reason of the handler's signal: its worker stops and has waited for it long enough. */
export class WorkerStoppingError extends WorkQueueError {
  override readonly name = "WorkerStoppingError";
  readonly code = "WORKER_STOPPING";
  override readonly kind = "operational";
}

interface DatabaseError {
  readonly code?: string;
  readonly constraint?: string;
  readonly message: string;
}

/** What the database refused for what was in it, not for its own state. */
export function isFaultOfData(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" && /^(22|23)/.test(code);
}

/** The error of this package that an error of the database stands for, or the same error. */
export function asQueueError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, constraint, message } = error as Error & DatabaseError;
  if (code === "UQ001") return new StandingLostError(message, { cause: error });
  if (code === "UQ002") return new UnknownQueueError(message, { cause: error });
  if (code === "UQ003") return new JobLostError(message, { cause: error });
  if (code === "23505" && constraint === "job_unique")
    return new DuplicateJobError(
      /=\(\d+, (.*)\)/.exec(String((error as { detail?: string }).detail))?.[1] ?? "",
      undefined,
      error,
    );
  return error;
}
