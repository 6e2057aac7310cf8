/** Background work: what every app server answers about it (any of them), and how workers are woken. */
import { z } from "zod";
import { defineEvent, defineRequest } from "./contract.ts";
import { queueName } from "./work-queue-settings.ts";

/** "There may be something to do": a hint. Workers look for themselves now and then besides. */
export const workAvailable = defineEvent({
  subject: "understudy.work-queue.available",
  sentBy: "app-server, message-server",
  event: z.object({ message: z.string().max(300) }),
});

export const jobState = z.enum(["queued", "running", "completed", "failed", "aborted", "cancelled", "parked"]);

export const jobView = z.object({
  id: z.uuid(),
  queue: z.string(),
  type: z.string(),
  state: jobState,
  /** Runs that were started. */
  attempts: z.int().nonnegative(),
  /** Who runs it, or ran it last. */
  appServer: z.string().optional(),
  incarnation: z.uuid().optional(),
  reason: z.string().optional(),
  progress: z.unknown().optional(),
  result: z.unknown().optional(),
  /** Not of completed jobs. */
  payload: z.unknown().optional(),
  priority: z.int().optional(),
  restartable: z.boolean().optional(),
  enqueuedAt: z.iso.datetime(),
  startedAt: z.iso.datetime().optional(),
  endedAt: z.iso.datetime().optional(),
});
export type JobView = z.infer<typeof jobView>;

const any = { sentBy: "cli, cockpit", answeredBy: "any" } as const;
const limit = z.int().min(1).max(1_000);
const job = z.object({ job: jobView });
const identified = z.object({ id: z.uuid() });

export const listJobs = defineRequest({
  ...any,
  subject: "understudy.work-queue.jobs.list",
  repeatable: true,
  request: z.object({
    state: jobState.optional(),
    queue: z.string().optional(),
    type: z.string().optional(),
    limit: limit.default(50),
  }),
  reply: z.object({ jobs: z.array(jobView) }),
});
export const showJob = defineRequest({
  ...any,
  subject: "understudy.work-queue.jobs.show",
  repeatable: true,
  request: identified,
  reply: job,
});
/** The caller makes the id, so that repeating it enqueues once. */
export const enqueueJob = defineRequest({
  ...any,
  subject: "understudy.work-queue.jobs.enqueue",
  repeatable: true,
  request: z.object({
    id: z.uuid(),
    queue: queueName,
    type: z.string().min(1).max(200),
    payload: z.unknown().optional(),
    delayMs: z.number().nonnegative().optional(),
    priority: z.int().min(-32_767).max(32_767).optional(),
    uniqueKey: z.string().min(1).max(500).optional(),
    orderingKey: z.string().min(1).max(500).optional(),
  }),
  reply: job,
});
export const cancelJob = defineRequest({
  ...any,
  subject: "understudy.work-queue.jobs.cancel",
  repeatable: true,
  request: identified.extend({ reason: z.string().max(1_000).optional() }),
  reply: job,
});
export const restartJob = defineRequest({
  ...any,
  subject: "understudy.work-queue.jobs.restart",
  repeatable: false,
  request: identified,
  reply: job,
});
export const retryJobs = defineRequest({
  ...any,
  subject: "understudy.work-queue.jobs.retry",
  repeatable: true,
  request: z.object({
    states: z.array(z.enum(["failed", "aborted", "cancelled", "parked"])).min(1),
    queue: z.string().optional(),
    type: z.string().optional(),
    isDryRun: z.boolean(),
    limit: z.int().min(1).max(10_000),
  }),
  reply: z.object({ ids: z.array(z.uuid()) }),
});

export const queueFigures = z.object({
  name: z.string(),
  kind: z.enum(["jobs", "services"]),
  isPaused: z.boolean(),
  pausedReason: z.string().optional(),
  ready: z.int(),
  delayed: z.int(),
  waiting: z.int(),
  running: z.int(),
  parked: z.int(),
  failed: z.int(),
  aborted: z.int(),
  cancelled: z.int(),
  /** How long the oldest ready one has waited. */
  oldestReadyMs: z.number(),
  /** Of the latest thousand completed jobs of all queues. */
  recent: z.object({ completed: z.int(), medianMs: z.number(), p95Ms: z.number() }),
});
export type QueueFiguresView = z.infer<typeof queueFigures>;

export const workQueues = defineRequest({
  ...any,
  subject: "understudy.work-queue.queues",
  repeatable: true,
  request: z.object({}),
  reply: z.object({ queues: z.array(queueFigures) }),
});
export const setQueuePaused = defineRequest({
  ...any,
  subject: "understudy.work-queue.pause",
  repeatable: true,
  request: z.object({ queue: queueName, isPaused: z.boolean(), reason: z.string().max(1_000).optional() }),
  reply: z.object({ queue: queueFigures }),
});

export const serviceView = z.object({
  name: z.string(),
  queue: z.string(),
  type: z.string(),
  isPaused: z.boolean(),
  placedOn: z.string().optional(),
  appServer: z.string().optional(),
  incarnation: z.string().optional(),
  successor: z.string().optional(),
  term: z.number(),
  since: z.iso.datetime().optional(),
  reason: z.string().optional(),
});
export type ServiceView = z.infer<typeof serviceView>;
export const workServices = defineRequest({
  ...any,
  subject: "understudy.work-queue.services",
  repeatable: true,
  request: z.object({}),
  reply: z.object({ services: z.array(serviceView) }),
});

export const scheduleView = z.object({
  name: z.string(),
  queue: z.string(),
  type: z.string(),
  cron: z.string(),
  timeZone: z.string(),
  missed: z.enum(["skip", "once", "all"]),
  isPaused: z.boolean(),
  nextDue: z.iso.datetime().optional(),
  lastDue: z.iso.datetime().optional(),
});
export type ScheduleView = z.infer<typeof scheduleView>;
export const workSchedules = defineRequest({
  ...any,
  subject: "understudy.work-queue.schedules",
  repeatable: true,
  request: z.object({}),
  reply: z.object({ schedules: z.array(scheduleView) }),
});
