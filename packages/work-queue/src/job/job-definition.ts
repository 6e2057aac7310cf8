/** What a kind of job is: declared once, used by those who enqueue and those who run it. */
import { InvalidOptionError } from "../queue-errors.ts";
import type { JobContext } from "./job-context.ts";
import type { Backoff } from "./retry-wait.ts";
import type { StandardSchema } from "./standard-schema.ts";

export interface JobSettings<Input, Payload> {
  readonly queue: string;
  /** Its name, kept with each job: `invoice.send`. */
  readonly type: string;
  /** Of the payload; checked when a job is enqueued and again when it is run. zod's and others'. */
  readonly schema?: StandardSchema<Input, Payload>;
  /**
   * True: run again, elsewhere and at once, when its worker is lost. False: then `aborted`, for a person to decide.
   * There is no default: only who wrote the handler knows.
   */
  readonly restartable: boolean;
  /** Runs in all before it is failed. 5 when restartable, else 1. Runs that end with the loss of their worker do not count. */
  readonly attempts?: number;
  readonly backoff?: Backoff;
  /** A run that takes longer is aborted and counts as failed. Without: as long as it takes. */
  readonly timeoutMs?: number;
  /** -32,768 to 32,767; higher is sooner. 0. */
  readonly priority?: number;
  /** How long the result of a completed job can be read; 0 keeps nothing. One hour. */
  readonly keepCompletedSeconds?: number;
}

export type JobRun<Payload, Result> = (payload: Payload, job: JobContext<Result>) => Result | Promise<Result>;

/** A definition with somebody who runs it, for a worker. */
export interface JobHandler {
  readonly definition: JobDefinition<never, unknown>;
  readonly run: { readonly inline: JobRun<never, unknown> } | { readonly thread: URL };
}

export interface JobDefinition<Input, Payload = Input> {
  readonly queue: string;
  readonly type: string;
  readonly schema: StandardSchema<Input, Payload> | undefined;
  readonly restartable: boolean;
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly timeoutMs: number | undefined;
  readonly priority: number;
  readonly keepCompletedSeconds: number;
  /** Runs in the worker's own thread. */
  handledBy<Result>(run: JobRun<Payload, Result>): JobHandler;
  /** Runs in a worker thread: for what computes. The module's default export is the handler. */
  handledInThread(module: URL): JobHandler;
}

const checkedNumber = (what: string, value: number, least: number, most: number): number => {
  if (!Number.isFinite(value) || value < least || value > most)
    throw new InvalidOptionError(`${what} must be between ${least} and ${most}, not ${value}`);
  return value;
};

const hourSeconds = 3_600;
const longestTimerMs = 2 ** 31 - 1;

export function defineJob<Input, Payload = Input>(
  settings: JobSettings<Input, Payload>,
): JobDefinition<Input, Payload> {
  const { queue, type, schema, restartable, backoff = {}, timeoutMs } = settings;
  if (type === "" || type.length > 200) throw new InvalidOptionError(`"${type}" is no type of a job`);
  const definition: JobDefinition<Input, Payload> = {
    queue,
    type,
    schema,
    restartable,
    backoff,
    attempts: checkedNumber("attempts", settings.attempts ?? (restartable ? 5 : 1), 1, 1_000_000),
    timeoutMs: timeoutMs === undefined ? undefined : checkedNumber("timeoutMs", timeoutMs, 1, longestTimerMs),
    priority: checkedNumber("priority", settings.priority ?? 0, -32_768, 32_767),
    keepCompletedSeconds: checkedNumber(
      "keepCompletedSeconds",
      settings.keepCompletedSeconds ?? hourSeconds,
      0,
      2 ** 31 - 1,
    ),
    handledBy: (run) => handler({ inline: run as unknown as JobRun<never, unknown> }),
    handledInThread: (module) => handler({ thread: module }),
  };
  const handler = (run: JobHandler["run"]): JobHandler => ({
    definition: definition as unknown as JobHandler["definition"],
    run,
  });
  return definition;
}
