export { WorkQueue, type ManyOptions, type NamedJob, type WorkQueueOptions } from "./queue/work-queue.ts";
export type { QueueClient, QueuePool, Transaction } from "./queue/queue-pool.ts";
export type { Enqueued, EnqueueOptions, IfExists } from "./queue/enqueue-options.ts";
export type { WakeUp } from "./queue/wake-up.ts";
export type { QueueFigures, QueueRegistry, QueueSettings } from "./queue/queue-registry.ts";
export { jobStates, type JobRecord, type JobState } from "./queue/job-record.ts";
export type { JobAdministration, JobFilter, JobListOptions, RetryAllOptions } from "./queue/job-administration.ts";
export type { HolderRecord, HolderVerdicts, TakenAway, Verdict } from "./queue/holder-verdicts.ts";
export { defineJob, type JobDefinition, type JobHandler, type JobRun, type JobSettings } from "./job/job-definition.ts";
export type { JobContext } from "./job/job-context.ts";
export type { Backoff } from "./job/retry-wait.ts";
export type { StandardSchema } from "./job/standard-schema.ts";
export type { ServiceContext, ServiceHandler } from "./services/service-definition.ts";
export type { Placement, ServiceRecord, ServiceRegistry, ServiceSettings } from "./services/service-registry.ts";
export type { ScheduleRecord, ScheduleRegistry, ScheduleSettings } from "./schedules/schedule-registry.ts";
export type { Missed } from "./schedules/due-times.ts";
export { Worker } from "./worker/worker.ts";
export type {
  EndedRun,
  LoopBlock,
  WorkerEvents,
  WorkerFigures,
  WorkerOptions,
  WorkerQueue,
  WorkerServices,
} from "./worker/worker-options.ts";
export { installSchema, schemaSql } from "./sql/install-schema.ts";
export {
  DuplicateJobError,
  InvalidOptionError,
  InvalidPayloadError,
  JobCancelledError,
  JobLostError,
  JobStateError,
  JobTimedOutError,
  PayloadTooLargeError,
  StandingLostError,
  UnknownJobError,
  UnknownQueueError,
  WorkerStoppingError,
  WorkQueueError,
  type WorkQueueErrorCode,
} from "./queue-errors.ts";
