import { z } from "zod";
import { limitParameter } from "../http/pagination.ts";

export const jobState = z.enum(["queued", "running", "completed", "failed", "aborted", "cancelled", "parked"]);

export const jobRequest = z
  .strictObject(
    {
      id: z.uuid().optional().describe("Of the caller's making: the same one is enqueued once"),
      queue: z.string().min(1).max(64),
      type: z.string().min(1).max(200),
      payload: z.unknown().optional().describe("As the type's schema wants it"),
      delayMs: z.number().min(0).max(3.2e12).optional(),
      priority: z.int().min(-32_767).max(32_767).optional().describe("Higher is sooner"),
      uniqueKey: z.string().min(1).max(500).optional().describe("One job at a time has it"),
      ifExists: z.enum(["skip", "replace", "reject"]).optional().describe("Where one has the unique key; skip"),
      orderingKey: z.string().min(1).max(500).optional().describe("Jobs with the same one run one at a time, in order"),
    },
    { error: (issue) => (issue.code === "invalid_type" ? "must be a JSON object" : undefined) },
  )
  .describe("A job to be done");
export type JobRequest = z.infer<typeof jobRequest>;

export const jobReference = z.object({ id: z.uuid() }).describe("The job that was enqueued, or had the unique key");

export const job = z
  .object({
    id: z.uuid(),
    queue: z.string(),
    type: z.string(),
    state: jobState.describe(
      "queued: will run. aborted: not restartable, and its app server was lost. parked: nobody knows its type",
    ),
    attempts: z.int().describe("Runs that were started"),
    appServer: z.string().optional().describe("Who runs it, or ran it last"),
    incarnation: z.uuid().optional(),
    reason: z.string().optional().describe("Why it failed, was aborted, cancelled or parked"),
    progress: z.unknown().optional(),
    result: z.unknown().optional(),
    payload: z.unknown().optional().describe("Not of completed jobs"),
    priority: z.int().optional(),
    restartable: z.boolean().optional(),
    enqueuedAt: z.iso.datetime(),
    startedAt: z.iso.datetime().optional(),
    endedAt: z.iso.datetime().optional(),
  })
  .describe("A job");

export const jobsQuery = z.strictObject({
  limit: limitParameter,
  after: z.uuid("must be the id of a job").optional().describe("The `next` of an earlier answer"),
  state: jobState.optional().describe("Only jobs in this state"),
  queue: z.string().min(1).max(64).optional().describe("Only jobs of this queue"),
  type: z.string().min(1).max(200).optional().describe("Only jobs of this type"),
});

export const jobAction = z.strictObject({ reason: z.string().max(1_000).optional() });
