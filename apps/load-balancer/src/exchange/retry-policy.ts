/** What follows when an attempt at an app server failed. Pure: a table in code. */
import type { Aftermath } from "../servers/aftermath.ts";

export type Failure =
  /** No connection came about: nothing was sent. */
  | "refused"
  /** Nothing was sent for another reason; the connection belonged to a server that went away, say. */
  | "unsent"
  /** The server answered that it did not begin. */
  | "not-taken"
  /** The server answered that it began and was broken off. */
  | "interrupted"
  /** The connection broke after the request had left. */
  | "broken"
  /** The server is no longer in the routing table and did not answer in its grace. */
  | "lost"
  /** What came back is no HTTP answer that may be passed on. */
  | "garbled"
  /** Longer than an answer may take. */
  | "timed-out"
  /** The request body, of unknown length, grew beyond the limit. */
  | "body-too-large"
  /** The HTTP client refuses to send such a request. */
  | "unsendable";

export const aftermathOf: Readonly<Record<Failure, Aftermath>> = {
  refused: "leave-out",
  unsent: "none",
  "not-taken": "leave-out",
  interrupted: "leave-out",
  broken: "distrust",
  lost: "none",
  garbled: "none",
  "timed-out": "none",
  "body-too-large": "none",
  unsendable: "none",
};

export interface FailureFacts {
  readonly failure: Failure;
  /** Safe or idempotent by its method, or by an Idempotency-Key; and its body is at hand. */
  readonly isRepeatable: boolean;
  /** Its body is at hand, or nothing of it was read yet. */
  readonly canBeSentAgain: boolean;
  /** A byte of an answer went to the client. */
  readonly hasAnswerBegun: boolean;
  /** Attempts that a server may have begun with, the failed one included. What no server began with is bounded by
   * time alone: by the hold's. */
  readonly attemptsBegun: number;
}

/** A request that breaks server after server is not carried on to the last one. */
export const attemptsBegunAtMost = 4;

/** Whether a server may have begun with the request. */
export const mayHaveBegun = (failure: Failure): boolean =>
  failure === "interrupted" || failure === "broken" || failure === "lost" || failure === "garbled";

export type NextStep =
  | "try-another"
  /** Break off the answer: its rest cannot come. */
  | "cut"
  | "answer-outcome-unknown"
  | "answer-not-completed"
  | "answer-bad-gateway"
  | "answer-timeout"
  | "answer-body-too-large"
  | "answer-bad-request";

export function afterFailure(facts: FailureFacts): NextStep {
  if (facts.hasAnswerBegun) return "cut";
  switch (facts.failure) {
    case "refused":
    case "unsent":
    case "not-taken":
      return facts.canBeSentAgain ? "try-another" : "answer-not-completed";
    case "interrupted":
    case "broken":
    case "lost":
      if (!facts.isRepeatable) return "answer-outcome-unknown";
      return facts.attemptsBegun >= attemptsBegunAtMost ? "answer-not-completed" : "try-another";
    case "garbled":
      return facts.isRepeatable ? "answer-bad-gateway" : "answer-outcome-unknown";
    case "timed-out":
      return "answer-timeout";
    case "body-too-large":
      return "answer-body-too-large";
    case "unsendable":
      return "answer-bad-request";
  }
}

const notSentCodes = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "ECONNABORTED",
  "ETIMEDOUT",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
]);
const garbledCodes = new Set([
  "UND_ERR_HEADERS_OVERFLOW",
  "UND_ERR_RES_EXCEEDED_MAX_SIZE",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
]);
const unsendableCodes = new Set(["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"]);
export const bodyTooLargeCode = "UNDERSTUDY_BODY_TOO_LARGE";

/** What an error of the HTTP client means, given whether the request had left. */
export function failureOf(error: { readonly name: string; readonly code?: string }, wasSent: boolean): Failure {
  const { code = "" } = error;
  if (unsendableCodes.has(code)) return "unsendable";
  if (code === bodyTooLargeCode) return "body-too-large";
  if (!wasSent) return notSentCodes.has(code) ? "refused" : "unsent";
  // The parser's errors come without a code.
  return garbledCodes.has(code) || error.name === "HTTPParserError" ? "garbled" : "broken";
}
