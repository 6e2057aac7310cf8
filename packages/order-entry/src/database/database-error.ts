/**
 * What an error of `pg` or TypeORM means for whoever asked. Pure.
 *
 * conflict: nothing was committed, and repeating the transaction is what is expected: the database undid it for the
 *   sake of another one, or the pool could not run it again after a failover because a result would be another one.
 * lost: no primary was found in the time that callers are held; what was in work, a COMMIT too, may have happened or not.
 * busy: the database refuses for now (locks, disk, resources, shutting down).
 * refused: this incarnation may not use the database any more.
 * fault: none of these; our bug or the caller's data.
 */
import { DatabaseUnavailableError, FailoverError } from "@understudy/failover-pool";
import { StandingRefusedError } from "@understudy/runtime";
import { CannotExecuteNotConnectedError, QueryFailedError, QueryRunnerAlreadyReleasedError } from "typeorm";

export type DatabaseErrorKind = "conflict" | "lost" | "busy" | "refused" | "fault";

const conflictStates = new Set(["40001", "40P01"]);
/** 25006: the primary became a standby under this connection. 3D000, 28xxx: not set up yet, or no longer ours. */
const lostStates = new Set(["57P01", "57P02", "57P03", "25006", "3D000", "28000", "28P01", "25P03", "25P04", "53300"]);
const busyStates = new Set(["55P03", "57014"]);
const lostClasses = new Set(["08"]);
/** Insufficient resources; errors of the system below PostgreSQL. */
const busyClasses = new Set(["53", "58"]);

const lostCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
]);
/** `pg` gives these no code. Source: pg 8.23 lib/client.js, pg-pool 3.14 index.js. */
const lostMessages = [
  "Connection terminated",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
  "Query read timeout",
  "timeout expired",
  "timeout exceeded when trying to connect",
  "Cannot use a pool after calling end on the pool",
];

export function kindOfDatabaseError(error: unknown): DatabaseErrorKind {
  if (error instanceof QueryFailedError) return kindOfDatabaseError(error.driverError);
  if (error instanceof StandingRefusedError) return "refused";
  if (error instanceof FailoverError) {
    return error.committed === "no" && !(error instanceof DatabaseUnavailableError) ? "conflict" : "lost";
  }
  // TypeORM gives its connection back as soon as that breaks, and then knows only that it has none.
  if (error instanceof QueryRunnerAlreadyReleasedError || error instanceof CannotExecuteNotConnectedError) {
    return "lost";
  }
  if (typeof error !== "object" || error === null) return "fault";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const text = "message" in error && typeof error.message === "string" ? error.message : "";
  if (conflictStates.has(code)) return "conflict";
  if (lostStates.has(code) || lostCodes.has(code)) return "lost";
  if (busyStates.has(code)) return "busy";
  if (/^[0-9A-Z]{5}$/.test(code)) {
    if (lostClasses.has(code.slice(0, 2))) return "lost";
    return busyClasses.has(code.slice(0, 2)) ? "busy" : "fault";
  }
  return lostMessages.some((message) => text.startsWith(message)) ? "lost" : "fault";
}
