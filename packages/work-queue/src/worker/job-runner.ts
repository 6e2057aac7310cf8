/**
 * Runs handlers and decides how runs end.
 *
 * It owns the runs of one life (one incarnation of a worker). A run is running, then ended; what its handler does later
 * is ignored. Runs whose handler used a transaction to complete are not believed: the database is asked whether that
 * transaction was committed.
 */
import type { JobHandler } from "../job/job-definition.ts";
import { checkedPayload } from "../job/payload.ts";
import { retryWaitMs } from "../job/retry-wait.ts";
import {
  InvalidPayloadError,
  JobCancelledError,
  JobTimedOutError,
  StandingLostError,
  WorkerStoppingError,
} from "../queue-errors.ts";
import { RunningJob, type ClaimedJob, type RunOwner } from "./running-job.ts";
import type { Settlement } from "./settler.ts";

export interface RunnerEffects {
  /** Hands a settlement on. */
  settle(settlement: Settlement): void;
  /** The slot is free. */
  freed(queue: string): void;
  /** Asks the database whether this run, which completed in a transaction, is still running; never rejects. */
  isStillRunning(run: RunningJob): Promise<boolean>;
  /** A handler that was told to end did not. */
  abandoned(run: RunningJob): void;
  /** In a worker thread. */
  runInThread(module: URL, payload: unknown, run: RunningJob): Promise<unknown>;
}

const longestResult = 1024 * 1024;
const sweepEveryMs = 50;

/** What a handler threw, in words; handlers throw anything. */
export function wordsFor(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.stack?.split("\n").slice(0, 6).join("\n") ?? thrown.message;
  try {
    return `The handler threw ${typeof thrown === "string" ? thrown : (JSON.stringify(thrown) ?? String(thrown))}.`;
  } catch {
    return "The handler threw something that has no words.";
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  (typeof value === "object" || typeof value === "function") &&
  value !== null &&
  typeof (value as { then?: unknown }).then === "function";

export class JobRunner {
  readonly running = new Map<string, RunningJob>();
  /** Runs that may take so long and no longer, and aborted ones that have their grace. */
  readonly #timed = new Set<RunningJob>();
  #sweep: NodeJS.Timeout | undefined;
  /** Whose handler is being called at this moment, for the block detector. */
  entering: RunningJob | undefined;

  constructor(
    private readonly owner: RunOwner,
    private readonly handlers: ReadonlyMap<string, JobHandler>,
    private readonly graceMs: number,
    private readonly effects: RunnerEffects,
  ) {}

  start(queue: string, claimed: ClaimedJob): void {
    const handler = this.handlers.get(`${queue} ${claimed.type}`);
    if (handler === undefined) throw new Error(`no handler for ${claimed.type}`);
    const run = new RunningJob(this.owner, queue, claimed, handler);
    this.running.set(run.id, run);
    if (run.deadlineMs !== undefined) this.#watch(run);
    const before = this.entering;
    this.entering = run;
    try {
      const payload: unknown = JSON.parse(claimed.payload);
      const { schema } = handler.definition;
      const checked = schema === undefined ? payload : checkedPayload(run.type, schema, payload);
      const result = isThenable(checked) ? checked.then((value) => this.#call(run, value)) : this.#call(run, checked);
      if (isThenable(result))
        result.then(
          (value) => this.#returned(run, value),
          (error: unknown) => this.#threw(run, error),
        );
      else this.#returned(run, result);
    } catch (error) {
      this.#threw(run, error);
    } finally {
      this.entering = before;
    }
  }

  #call(run: RunningJob, payload: unknown): unknown {
    const { run: how } = run.handler;
    return "inline" in how ? how.inline(payload as never, run) : this.effects.runInThread(how.thread, payload, run);
  }

  #returned(run: RunningJob, value: unknown): void {
    if (run.isEnded) return;
    if (run.usedTransaction) return void this.#endTransactional(run, undefined);
    let result: string | undefined;
    try {
      result = value === undefined ? undefined : JSON.stringify(value);
    } catch (error) {
      return this.#threw(run, error);
    }
    if (result !== undefined && result.length > longestResult)
      return this.#threw(
        run,
        new Error(`Its result has ${result.length} characters; at most ${longestResult} are kept.`),
      );
    this.#end(run, { run, result });
  }

  #threw(run: RunningJob, thrown: unknown): void {
    if (run.isEnded) return;
    if (run.usedTransaction) return void this.#endTransactional(run, { thrown });
    this.#end(run, this.#failure(run, thrown));
  }

  /** Completed, if the transaction was committed, whatever the handler said afterwards. */
  async #endTransactional(run: RunningJob, failure: { readonly thrown: unknown } | undefined): Promise<void> {
    const isRunning = await this.effects.isStillRunning(run);
    if (run.isEnded) return;
    if (!isRunning) return this.#end(run, { run, isCommitted: true });
    const notCommitted = new Error("The transaction in which it was completed was not committed.");
    this.#end(run, this.#failure(run, failure === undefined ? notCommitted : failure.thrown));
  }

  /** How a run that did not succeed ends: by why it was aborted first, by its attempts then. */
  #failure(run: RunningJob, thrown: unknown): Settlement {
    const { abortReason: why, handler, claimed } = run;
    if (why instanceof JobCancelledError) return { run, ending: "cancelled", reason: why.message };
    if (why instanceof WorkerStoppingError)
      return { run, ending: claimed.restartable ? "release" : "aborted", reason: why.message };
    const reason = why instanceof JobTimedOutError ? why.message : wordsFor(thrown);
    // What its schema refuses now, it will refuse again.
    if (run.isLastAttempt || thrown instanceof InvalidPayloadError) return { run, ending: "failed", reason };
    return { run, ending: "retry", delayMs: retryWaitMs(handler.definition.backoff, run.round), reason };
  }

  #end(run: RunningJob, settlement: Settlement): void {
    run.isEnded = true;
    this.running.delete(run.id);
    if (this.#timed.size > 0) this.#timed.delete(run);
    if (this.owner.isOver) return;
    this.effects.settle(settlement);
    this.effects.freed(run.queue);
  }

  /** Tells the handler to end, and gives it its grace. */
  abort(run: RunningJob, reason: Error): void {
    if (run.abortReason !== undefined) return;
    run.abort(reason);
    run.deadlineMs = performance.now() + this.graceMs;
    this.#watch(run);
  }

  abortAll(reason: Error): void {
    for (const run of this.running.values()) this.abort(run, reason);
  }

  /** Q3: handlers are told, and nothing that they do is heard any more. */
  loseAll(reason: StandingLostError): void {
    for (const run of this.running.values()) {
      run.isEnded = true;
      run.abort(reason);
    }
    this.running.clear();
    this.stop();
  }

  stop(): void {
    clearInterval(this.#sweep);
    this.#sweep = undefined;
    this.#timed.clear();
  }

  #watch(run: RunningJob): void {
    this.#timed.add(run);
    this.#sweep ??= setInterval(() => this.#lookAtTimes(), sweepEveryMs);
  }

  #lookAtTimes(): void {
    const now = performance.now();
    for (const run of this.#timed) {
      if (run.deadlineMs === undefined || run.deadlineMs > now) continue;
      if (run.abortReason === undefined) this.abort(run, new JobTimedOutError(run.handler.definition.timeoutMs ?? 0));
      else this.#giveUp(run);
    }
    if (this.#timed.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  /** It was told to end and goes on; its slot is needed. Whatever it does from now on is refused. */
  #giveUp(run: RunningJob): void {
    this.#timed.delete(run);
    this.effects.abandoned(run);
    if (run.usedTransaction) void this.#endTransactional(run, { thrown: run.abortReason });
    else this.#end(run, this.#failure(run, run.abortReason));
  }
}
