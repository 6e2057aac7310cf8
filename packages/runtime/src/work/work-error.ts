/** Errors of the work queue and of its database as they cross process borders. */
import type { ErrorCode } from "@understudy/contracts";
import { FailoverError, kindOfError } from "@understudy/failover-pool";
import { InvalidPayloadError, WorkQueueError, type WorkQueueErrorCode } from "@understudy/work-queue";
import { CallerError, OperationalError, UnderstudyError } from "../errors.ts";

const codes: Readonly<Partial<Record<WorkQueueErrorCode, ErrorCode>>> = {
  UNKNOWN_JOB: "not-found",
  UNKNOWN_QUEUE: "not-found",
  JOB_STATE: "conflict",
  DUPLICATE_JOB: "conflict",
};

/** What it stands for; an error that is none of these is a bug and comes back as it is. */
export function asWorkError(error: unknown): unknown {
  if (error instanceof UnderstudyError) return error;
  if (error instanceof WorkQueueError) {
    if (error.kind === "operational") return new OperationalError("unavailable", error.message, { cause: error });
    const faults = error instanceof InvalidPayloadError ? { faults: error.faults } : {};
    return new CallerError(codes[error.code] ?? "invalid-request", error.message, { cause: error, ...faults });
  }
  if (!(error instanceof Error)) return error;
  if (!(error instanceof FailoverError) && ["statement", "told"].includes(kindOfError(error))) return error;
  return new OperationalError("database-unavailable", `The database does not answer: ${error.message}`, {
    cause: error,
  });
}
