import { z } from "zod";

/** As header of a POST, and as `key` of a query. */
export const idempotencyKey = z
  .string("is missing: every POST needs one, new for each order and the same for each repetition of it")
  .regex(/^[\x21-\x7e]{1,255}$/, "must be 1 to 255 visible ASCII characters")
  .describe("Chosen by the client, new for each order and the same for each repetition of it");
