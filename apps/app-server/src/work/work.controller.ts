import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import {
  cancelJob,
  enqueueJob,
  listJobs,
  restartJob,
  retryJobs,
  setQueuePaused,
  showJob,
  workQueues,
  workSchedules,
  workServices,
  type JobView,
  type QueueFiguresView,
  type ScheduleView,
  type ServiceView,
} from "@understudy/contracts";
import {
  asWorkError,
  CallerError,
  HandlesRequest,
  jobViewOf,
  OperationalError,
  parseRequest,
  scheduleViewOf,
  serviceViewOf,
} from "@understudy/runtime";
import type { WorkQueue } from "@understudy/work-queue";
import { HostedApplications } from "../hosting/hosted-applications.ts";
import { readRecentRuns } from "./recent-runs.ts";

/** What the command line and the cockpit ask about background work; any app server answers. */
@Controller()
export class WorkController {
  constructor(@Inject(HostedApplications) private readonly hosted: HostedApplications) {}

  @HandlesRequest(listJobs)
  list(@Payload() payload: unknown): Promise<{ jobs: JobView[] }> {
    const { state, queue, type, limit } = parseRequest(listJobs, payload);
    const filter = { limit, ...(state && { state }), ...(queue && { queue }), ...(type && { type }) };
    return this.#ask(async (work) => ({ jobs: (await work.jobs.list(filter)).map(jobViewOf) }));
  }

  @HandlesRequest(showJob)
  show(@Payload() payload: unknown): Promise<{ job: JobView }> {
    const { id } = parseRequest(showJob, payload);
    return this.#ask((work) => jobOf(work, id));
  }

  @HandlesRequest(enqueueJob)
  enqueue(@Payload() payload: unknown): Promise<{ job: JobView }> {
    const { id, queue, type, ...rest } = parseRequest(enqueueJob, payload);
    const options = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    return this.#ask(async (work) => {
      const enqueued = await work.enqueueNamed({ ...options, id, queue, type });
      return jobOf(work, enqueued.id);
    });
  }

  @HandlesRequest(cancelJob)
  cancel(@Payload() payload: unknown): Promise<{ job: JobView }> {
    const { id, reason } = parseRequest(cancelJob, payload);
    return this.#ask(async (work) => {
      await work.jobs.cancel(id, reason);
      return jobOf(work, id);
    });
  }

  @HandlesRequest(restartJob)
  restart(@Payload() payload: unknown): Promise<{ job: JobView }> {
    const { id } = parseRequest(restartJob, payload);
    return this.#ask(async (work) => {
      await work.jobs.restart(id);
      return jobOf(work, id);
    });
  }

  @HandlesRequest(retryJobs)
  retry(@Payload() payload: unknown): Promise<{ ids: string[] }> {
    const { queue, type, ...rest } = parseRequest(retryJobs, payload);
    const options = { ...rest, ...(queue && { queue }), ...(type && { type }) };
    return this.#ask(async (work) => ({ ids: [...(await work.jobs.retryAll(options)).ids] }));
  }

  @HandlesRequest(workQueues)
  queues(@Payload() payload: unknown): Promise<{ queues: QueueFiguresView[] }> {
    parseRequest(workQueues, payload);
    return this.#ask(async (work) => ({ queues: await queuesOf(work) }));
  }

  @HandlesRequest(setQueuePaused)
  setPaused(@Payload() payload: unknown): Promise<{ queue: QueueFiguresView }> {
    const { queue, isPaused, reason } = parseRequest(setQueuePaused, payload);
    return this.#ask(async (work) => {
      await (isPaused ? work.queues.pause(queue, reason) : work.queues.resume(queue));
      const found = (await queuesOf(work)).find(({ name }) => name === queue);
      if (found === undefined) throw new CallerError("not-found", `There is no queue "${queue}".`);
      return { queue: found };
    });
  }

  @HandlesRequest(workServices)
  services(@Payload() payload: unknown): Promise<{ services: ServiceView[] }> {
    parseRequest(workServices, payload);
    return this.#ask(async (work) => ({ services: (await work.services.list()).map(serviceViewOf) }));
  }

  @HandlesRequest(workSchedules)
  schedules(@Payload() payload: unknown): Promise<{ schedules: ScheduleView[] }> {
    parseRequest(workSchedules, payload);
    return this.#ask(async (work) => ({ schedules: (await work.schedules.list()).map(scheduleViewOf) }));
  }

  async #ask<Answer>(read: (work: WorkQueue) => Promise<Answer>): Promise<Answer> {
    const { work } = this.hosted;
    if (work === undefined) throw new OperationalError("unavailable", "This app server does not work yet. Ask again.");
    try {
      return await read(work.queue);
    } catch (error) {
      throw asWorkError(error);
    }
  }
}

async function jobOf(work: WorkQueue, id: string): Promise<{ job: JobView }> {
  const job = await work.jobs.get(id);
  if (job === undefined) throw new CallerError("not-found", `There is no job ${id}; what is over is kept for a time.`);
  return { job: jobViewOf(job) };
}

async function queuesOf(work: WorkQueue): Promise<QueueFiguresView[]> {
  const [figures, recent] = await Promise.all([work.queues.figures(), readRecentRuns(work)]);
  return figures.map((queue) => Object.assign({ recent: recent.get(queue.name) ?? noRuns }, queue));
}

const noRuns = { completed: 0, medianMs: 0, p95Ms: 0 };
