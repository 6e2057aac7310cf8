import { z } from "zod";

/** Every error code that crosses a process border. Stable: scripts compare them. */
export const errorCode = z.enum([
  "invalid-request",
  "unknown-instance",
  "not-found",
  "conflict",
  "refused",
  "not-leader",
  "stale-term",
  "unavailable",
  "database-unavailable",
  "timeout",
  "internal",
]);
export type ErrorCode = z.infer<typeof errorCode>;

export const wireError = z.object({
  code: errorCode,
  /** One sentence that says what is wrong and what to do. */
  message: z.string(),
  /** True when the same request may succeed later without a change. */
  retryable: z.boolean(),
  /** Every fault of an invalid request, each naming its place. */
  faults: z.array(z.string()).optional(),
});
export type WireError = z.infer<typeof wireError>;
