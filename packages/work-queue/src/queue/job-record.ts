/** A job as people and scripts see it. The fields of `GET /api/jobs/{id}` are all here. */
export const jobStates = ["queued", "running", "completed", "failed", "aborted", "cancelled", "parked"] as const;

/**
 * queued: will run (also delayed, or behind another one of its ordering key). parked: no worker knows its type.
 * failed: all its attempts are used up. aborted: not restartable, and its worker was lost.
 */
export type JobState = (typeof jobStates)[number];

export interface JobRecord {
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  readonly state: JobState;
  /** Runs that were started. */
  readonly attempts: number;
  /** Id of the worker's holder. */
  readonly appServer?: string;
  readonly incarnation?: string;
  readonly reason?: string;
  readonly progress?: unknown;
  readonly result?: unknown;
  /** Not of completed jobs. */
  readonly payload?: unknown;
  readonly priority: number;
  readonly restartable?: boolean;
  /** How often its worker was lost. */
  readonly losses: number;
  readonly uniqueKey?: string;
  readonly orderingKey?: string;
  readonly enqueuedAt: Date;
  readonly runAt: Date;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
}

export const recordColumns = `id, queue, type, state, attempts, app_server AS "appServer", incarnation, reason, progress,
  result, payload, priority, restartable, losses, unique_key AS "uniqueKey", ordering_key AS "orderingKey",
  enqueued_at AS "enqueuedAt", run_at AS "runAt", started_at AS "startedAt", ended_at AS "endedAt"`;

/** Columns without a value are left out. */
export const recordOf = (row: Readonly<Record<string, unknown>>): JobRecord =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as JobRecord;
