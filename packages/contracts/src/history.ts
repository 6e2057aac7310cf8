/** The cluster's history: every role change and fate, in words and milliseconds. Written by the active message server. */
import { z } from "zod";
import { evidence } from "./heartbeat.ts";
import { instanceRef } from "./identity.ts";

/** Milliseconds from the first sign of the failure; absent where nobody could know. */
export const takeoverPhases = z.object({
  /** Wall clock of the failure (supervisor's evidence) or of the last sign of life. */
  failedAt: z.number().optional(),
  failedAtIsExact: z.boolean(),
  noticedAt: z.number(),
  electedAt: z.number(),
  actingAt: z.number(),
});
export type TakeoverPhases = z.infer<typeof takeoverPhases>;

const common = { at: z.number(), term: z.int().nonnegative(), writtenBy: instanceRef, summary: z.string() };
export const historyEntry = z.discriminatedUnion("type", [
  z.object({
    ...common,
    type: z.literal("takeover"),
    role: z.string(),
    from: instanceRef.optional(),
    to: instanceRef,
    evidence: z.array(evidence),
    phases: takeoverPhases,
  }),
  z.object({
    ...common,
    type: z.literal("instance"),
    instance: instanceRef,
    event: z.enum(["accepted", "refused", "draining", "resumed", "left", "lost", "returned"]),
    evidence: z.array(evidence),
  }),
  z.object({ ...common, type: z.literal("configuration"), version: z.int(), changedBy: z.string() }),
]);
export type HistoryEntry = z.infer<typeof historyEntry>;

export const historyStream = "UNDERSTUDY_HISTORY";
export const historySubject = "understudy.history";
