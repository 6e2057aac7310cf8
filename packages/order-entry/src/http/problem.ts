/** RFC 9457: what goes wrong, as a client reads it. `problemOf` is pure; `ProblemFilter` sends what it says. */
import { STATUS_CODES } from "node:http";
import { HttpException } from "@nestjs/common";
import { UnderstudyError } from "@understudy/runtime";
import { z } from "zod";
import { kindOfDatabaseError } from "../database/database-error.ts";
import { RequestError } from "./request-error.ts";

export const problem = z
  .object({
    type: z.string().describe("urn:understudy:problem:<what>; stable, for programs"),
    title: z.string().describe("The same for every problem of the type"),
    status: z.int(),
    detail: z.string().describe("What happened this time, and what to do"),
    retryable: z.boolean().describe("Whether the same request may succeed later without a change"),
    errors: z
      .array(
        z.object({
          field: z.string().describe("JSON pointer into the body, name of a query parameter or of a header"),
          message: z.string(),
        }),
      )
      .optional(),
  })
  .describe("An error as RFC 9457 (application/problem+json)");
export type Problem = z.infer<typeof problem>;

const titleOf = (status: number): string => STATUS_CODES[status] ?? "Error";

function build(status: number, detail: string, errors: Problem["errors"] = []): Problem {
  const title = titleOf(status);
  return {
    type: `urn:understudy:problem:${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`,
    title,
    status,
    detail,
    retryable: status === 503,
    ...(errors.length > 0 && { errors }),
  };
}

/** The answer to a request that ended with `error`. What we do not know is our bug: 500, its text stays in the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RequestError) return build(error.status, error.message, [...error.fields]);
  switch (kindOfDatabaseError(error)) {
    case "lost":
      return build(
        503,
        "The connection to the database broke or could not be made. Repeat the request; an order with the same " +
          "Idempotency-Key, which is then told as it was placed or placed once.",
      );
    case "conflict":
    case "busy":
      return build(
        503,
        "The database is too busy for this request. Repeat it, an order with the same Idempotency-Key.",
      );
    case "refused":
      return build(503, "This server was taken out of service. Repeat the request; another one answers it.");
    case "fault":
  }
  if (error instanceof UnderstudyError && error.retryable) return build(503, error.message);
  if (error instanceof HttpException && error.getStatus() < 500) return build(error.getStatus(), error.message);
  return build(500, "The order entry failed at this request. The cause stands in its log.");
}
