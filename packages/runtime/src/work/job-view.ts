/** Records of the work queue as they cross borders: times as text, nothing that JSON cannot hold. */
import type { JobView, ScheduleView, ServiceView } from "@understudy/contracts";
import type { JobRecord, ScheduleRecord, ServiceRecord } from "@understudy/work-queue";

const timed = <Name extends string>(name: Name, at: Date | undefined): Partial<Record<Name, string>> =>
  at === undefined ? {} : ({ [name]: at.toISOString() } as Record<Name, string>);

export function jobViewOf(job: JobRecord): JobView {
  const { id, queue, type, state, attempts, appServer, incarnation, reason, progress, result, payload } = job;
  return {
    id,
    queue,
    type,
    state,
    attempts,
    ...(appServer !== undefined && { appServer }),
    ...(incarnation !== undefined && { incarnation }),
    ...(reason !== undefined && { reason }),
    ...(progress !== undefined && { progress }),
    ...(result !== undefined && { result }),
    ...(payload !== undefined && { payload }),
    ...(job.restartable !== undefined && { restartable: job.restartable }),
    priority: job.priority,
    enqueuedAt: job.enqueuedAt.toISOString(),
    ...timed("startedAt", job.startedAt),
    ...timed("endedAt", job.endedAt),
  };
}

export const serviceViewOf = ({ since, ...service }: ServiceRecord): ServiceView => ({
  ...service,
  ...timed("since", since),
});

export const scheduleViewOf = ({ nextDue, lastDue, ...schedule }: ScheduleRecord): ScheduleView => ({
  ...schedule,
  ...timed("nextDue", nextDue),
  ...timed("lastDue", lastDue),
});
