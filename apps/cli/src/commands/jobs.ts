/** `jobs ...`: background jobs, asked of any app server. */
import {
  cancelJob,
  enqueueJob,
  jobState,
  listJobs,
  restartJob,
  retryJobs,
  showJob,
  type JobView,
} from "@understudy/contracts";
import { CallerError } from "@understudy/runtime/errors";
import { uuidv7 } from "uuidv7";
import type { CommandContext } from "../command-context.ts";
import { renderJob, renderJobs } from "../render/jobs.ts";
import { parseDuration } from "../render/units.ts";
import { parseLimit } from "./history.ts";

export interface JobFilterArguments {
  readonly state?: string;
  readonly queue?: string;
  readonly type?: string;
  readonly limit: string;
}

const present = <Value extends object>(value: Value): { [Key in keyof Value]: Exclude<Value[Key], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as never;

export async function list(context: CommandContext, filter: JobFilterArguments): Promise<void> {
  const state = jobState.optional().safeParse(filter.state);
  if (!state.success)
    throw new CallerError(
      "invalid-request",
      `--state "${filter.state}" is no state of a job: ${jobState.options.join(", ")}.`,
    );
  const { jobs } = await context.cluster().ask(
    listJobs,
    present({
      state: state.data,
      queue: filter.queue,
      type: filter.type,
      limit: parseLimit(filter.limit),
    }),
  );
  context.output.show({ jobs }, (style) => renderJobs(jobs, Date.now(), style));
}

export async function show(context: CommandContext, id: string): Promise<void> {
  const { job } = await context.cluster().ask(showJob, { id: checkedId(id) });
  display(context, job);
}

export interface EnqueueArguments {
  readonly payload?: string;
  readonly delay?: string;
  readonly priority?: string;
  readonly uniqueKey?: string;
  readonly orderingKey?: string;
}

export async function enqueue(
  context: CommandContext,
  queue: string,
  type: string,
  options: EnqueueArguments,
): Promise<void> {
  const { job } = await context.cluster().ask(
    enqueueJob,
    present({
      // Made here, so that a repetition enqueues nothing more.
      id: uuidv7(),
      queue,
      type,
      payload: options.payload === undefined ? undefined : parsedPayload(options.payload),
      delayMs: options.delay === undefined ? undefined : parsedDelay(options.delay),
      priority: options.priority === undefined ? undefined : parsedPriority(options.priority),
      uniqueKey: options.uniqueKey,
      orderingKey: options.orderingKey,
    }),
  );
  display(context, job);
}

export async function cancel(context: CommandContext, id: string, reason: string | undefined): Promise<void> {
  const { job } = await context.cluster().ask(cancelJob, present({ id: checkedId(id), reason }));
  context.output.show({ job }, () =>
    job.state === "cancelled" ? `${id} is cancelled.` : `${id} is ${job.state}; its handler was told to end.`,
  );
}

export async function restart(context: CommandContext, id: string): Promise<void> {
  const { job } = await context.cluster().ask(restartJob, { id: checkedId(id) });
  context.output.show({ job }, () => `${id} is ${job.state} again, with all its attempts.`);
}

export interface RetryArguments {
  readonly state: string;
  readonly queue?: string;
  readonly type?: string;
  readonly limit: string;
  readonly dryRun?: boolean;
}

export async function retryAll(context: CommandContext, options: RetryArguments): Promise<void> {
  const isDryRun = options.dryRun === true;
  const states = retryJobs.request.shape.states.safeParse(options.state.split(",").map((state) => state.trim()));
  const limit = retryJobs.request.shape.limit.safeParse(Number(options.limit));
  if (!states.success)
    throw new CallerError(
      "invalid-request",
      `--state takes failed, aborted, cancelled, parked; not "${options.state}".`,
    );
  if (!limit.success) throw new CallerError("invalid-request", `--limit "${options.limit}" must be 1 to 10000.`);
  const { ids } = await context
    .cluster()
    .ask(
      retryJobs,
      present({ states: states.data, queue: options.queue, type: options.type, isDryRun, limit: limit.data }),
      { answerMs: 10_000 },
    );
  context.output.show({ ids, isDryRun }, () =>
    isDryRun
      ? [...ids, `${ids.length} would be restarted; without --dry-run they are.`].join("\n")
      : `${ids.length} restarted.`,
  );
}

const display = (context: CommandContext, job: JobView): void =>
  context.output.show({ job }, (style) => renderJob(job, Date.now(), style));

function checkedId(id: string): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id;
  throw new CallerError("invalid-request", `"${id}" is no id of a job (understudy jobs list shows them).`);
}

function parsedPayload(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CallerError("invalid-request", `--payload is not JSON: ${(error as Error).message}.`, { cause: error });
  }
}

function parsedDelay(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new CallerError("invalid-request", `--delay "${text}" is no duration such as 30s, 5m or 2h.`);
}

function parsedPriority(text: string): number {
  const priority = Number(text);
  if (Number.isInteger(priority) && Math.abs(priority) <= 32_767) return priority;
  throw new CallerError("invalid-request", `--priority "${text}" is no whole number from -32767 to 32767.`);
}
