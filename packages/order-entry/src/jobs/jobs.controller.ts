import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from "@nestjs/common";
import type { JobView } from "@understudy/contracts";
import { jobViewOf } from "@understudy/runtime";
import { InvalidPayloadError, WorkQueue, WorkQueueError, type NamedJob } from "@understudy/work-queue";
import type { FastifyReply } from "fastify";
import type { Page } from "../http/pagination.ts";
import { RequestError } from "../http/request-error.ts";
import { checkBody, invalidRequest, parseQuery } from "../http/validation.ts";
import { jobAction, jobRequest, jobsQuery } from "./job.schema.ts";

/** Background work for scripts and the cockpit. */
@Controller("api/jobs")
export class JobsController {
  constructor(@Inject(WorkQueue) private readonly queue: WorkQueue) {}

  @Post()
  async enqueue(@Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply): Promise<{ id: string }> {
    const request = checkBody(jobRequest, body);
    if ("faults" in request) throw invalidRequest(request.faults);
    const options = Object.fromEntries(Object.entries(request.value).filter(([, value]) => value !== undefined));
    const { id } = await told(() => this.queue.enqueueNamed(options as unknown as NamedJob));
    void reply.status(201).header("location", `/api/jobs/${id}`);
    return { id };
  }

  @Get()
  async list(@Query() query: unknown): Promise<Page<JobView>> {
    const { after, limit, ...rest } = parseQuery(jobsQuery, query);
    const filter = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    const found = await told(() =>
      this.queue.jobs.list({ ...filter, limit, ...(after !== undefined && { before: after }) }),
    );
    const last = found.length === limit ? found.at(-1)?.id : undefined;
    return { items: found.map(jobViewOf), ...(last !== undefined && { next: last }) };
  }

  @Get(":id")
  async read(@Param("id") id: string): Promise<JobView> {
    const found = await told(() => this.queue.jobs.get(id));
    if (found === undefined) throw new RequestError(404, `There is no job ${id}; what is over is kept for a time.`);
    return jobViewOf(found);
  }

  @Post(":id/restart")
  @HttpCode(200)
  async restart(@Param("id") id: string): Promise<JobView> {
    await told(() => this.queue.jobs.restart(id));
    return this.read(id);
  }

  @Post(":id/cancel")
  @HttpCode(200)
  async cancel(@Param("id") id: string, @Body() body: unknown): Promise<JobView> {
    const action = checkBody(jobAction, body ?? {});
    if ("faults" in action) throw invalidRequest(action.faults);
    await told(() => this.queue.jobs.cancel(id, action.value.reason));
    return this.read(id);
  }
}

/** What the work queue refuses, as an answer. */
async function told<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof WorkQueueError ? refusalOf(error) : error;
  }
}

function refusalOf(error: WorkQueueError): Error {
  switch (error.code) {
    case "UNKNOWN_JOB":
      return new RequestError(404, error.message);
    case "UNKNOWN_QUEUE":
      return new RequestError(422, error.message, [{ field: "/queue", message: "there is no such queue" }]);
    case "INVALID_PAYLOAD": {
      const faults = error instanceof InvalidPayloadError ? error.faults : [];
      return new RequestError(
        422,
        error.message,
        faults.map((message) => ({ field: "/payload", message })),
      );
    }
    case "PAYLOAD_TOO_LARGE":
      return new RequestError(413, error.message, [{ field: "/payload", message: "is too large" }]);
    case "INVALID_OPTION":
      return new RequestError(400, error.message);
    case "DUPLICATE_JOB":
    case "JOB_STATE":
      return new RequestError(409, error.message);
    default:
      return error;
  }
}
