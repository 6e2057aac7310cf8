/** Looking at jobs, cancelling them, restarting them by hand. */
import { asQueueError, InvalidOptionError, JobStateError, UnknownJobError } from "../queue-errors.ts";
import { isUuid } from "./enqueue-options.ts";
import { jobStates, recordColumns, recordOf, type JobRecord, type JobState } from "./job-record.ts";
import { rowsOf, type QueuePool } from "./queue-pool.ts";

export interface JobFilter {
  readonly state?: JobState;
  readonly queue?: string;
  readonly type?: string;
}

export interface JobListOptions extends JobFilter {
  /** 1 to 1,000. 100. */
  readonly limit?: number;
  /** Of the last one of the page before: newest ids come first. */
  readonly before?: string;
}

export interface RetryAllOptions {
  /** failed and aborted. */
  readonly states?: readonly ("failed" | "aborted" | "cancelled" | "parked")[];
  readonly queue?: string;
  readonly type?: string;
  /** Tell what would be restarted; restart nothing. */
  readonly isDryRun?: boolean;
  /** 10,000. */
  readonly limit?: number;
}

const exactStates: Readonly<Record<string, readonly string[]>> = { queued: ["queued", "delayed", "waiting"] };

export class JobAdministration {
  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
    private readonly publish: (message: string) => void,
  ) {}

  async get(id: string): Promise<JobRecord | undefined> {
    if (!isUuid(id)) return undefined;
    const s = this.schema;
    const answer = await this.pool.query(
      `SELECT ${recordColumns} FROM ${s}.job_view WHERE id = $1
       UNION ALL SELECT ${recordColumns} FROM ${s}.completed_view WHERE id = $1 LIMIT 1`,
      [id],
    );
    const [row] = rowsOf<Record<string, unknown>>(answer);
    return row && recordOf(row);
  }

  /** Newest first. */
  async list(options: JobListOptions = {}): Promise<JobRecord[]> {
    const { state, queue, type, limit = 100, before } = options;
    if (state !== undefined && !jobStates.includes(state))
      throw new InvalidOptionError(`"${state as string}" is no state of a job: ${jobStates.join(", ")}`);
    if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
      throw new InvalidOptionError("limit must be a whole number from 1 to 1000");
    if (before !== undefined && !isUuid(before)) throw new InvalidOptionError(`"${before}" is no id of a job`);
    const values: unknown[] = [limit];
    const parameter = (value: unknown) => `$${values.push(value)}`;
    const conditions = [
      ...(queue === undefined ? [] : [`queue = ${parameter(queue)}`]),
      ...(type === undefined ? [] : [`type = ${parameter(type)}`]),
      ...(before === undefined ? [] : [`id < ${parameter(before)}`]),
    ];
    const page = (view: string, more: readonly string[]) =>
      `(SELECT ${recordColumns} FROM ${this.schema}.${view}
         ${[...conditions, ...more].length > 0 ? `WHERE ${[...conditions, ...more].join(" AND ")}` : ""}
         ORDER BY id DESC LIMIT $1)`;
    // Written out, not as a parameter: only so can a partial index be chosen.
    const ofState =
      state === undefined
        ? []
        : [`exact_state IN (${(exactStates[state] ?? [state]).map((s) => `'${s}'`).join(", ")})`];
    const parts = [
      ...(state === "completed" ? [] : [page("job_view", ofState)]),
      ...(state === undefined || state === "completed" ? [page("completed_view", [])] : []),
    ];
    const answer = await this.pool.query(
      `SELECT * FROM (${parts.join(" UNION ALL ")}) AS page ORDER BY id DESC LIMIT $1`,
      values,
    );
    return rowsOf<Record<string, unknown>>(answer).map(recordOf);
  }

  /**
   * Not running: `cancelled` at once. Running: its handler is told, `cancelling`; it is cancelled when that ends, or
   * completed when it had ended already. @throws UnknownJobError, JobStateError when it is over
   */
  async cancel(id: string, reason = "Cancelled by hand."): Promise<"cancelled" | "cancelling"> {
    this.#checkId(id);
    const answer = await this.pool.query(`SELECT ${this.schema}.cancel($1, $2) AS outcome`, [id, reason]);
    const outcome = rowsOf<{ outcome: "cancelled" | "cancelling" | null }>(answer)[0]?.outcome;
    if (outcome === "cancelling") this.publish(`c ${id}`);
    if (outcome) return outcome;
    throw await this.#whyNot(id, "cancelled");
  }

  /** A failed, aborted, cancelled or parked job, with all its attempts anew. @throws UnknownJobError, JobStateError */
  async restart(id: string): Promise<void> {
    this.#checkId(id);
    if ((await this.#restart([id])).length === 0) throw await this.#whyNot(id, "restarted");
  }

  /** Restarts what matches, or tells what it would restart. */
  async retryAll(
    options: RetryAllOptions = {},
  ): Promise<{ readonly ids: readonly string[]; readonly isDryRun: boolean }> {
    const { states = ["failed", "aborted"], queue, type, isDryRun = false, limit = 10_000 } = options;
    const answer = await this.pool.query(
      `SELECT j.id FROM ${this.schema}.job j JOIN ${this.schema}.queue k ON k.id = j.queue
        WHERE j.state IN ('parked', 'failed', 'aborted', 'cancelled') AND j.state::text = ANY ($1::text[])
          AND ($2::text IS NULL OR k.name = $2) AND ($3::text IS NULL OR j.type = $3)
        ORDER BY j.seq LIMIT $4`,
      [[...states], queue ?? null, type ?? null, limit],
    );
    const ids = rowsOf<{ id: string }>(answer).map((row) => row.id);
    if (isDryRun || ids.length === 0) return { ids, isDryRun };
    return { ids: await this.#restart(ids), isDryRun };
  }

  async #restart(ids: readonly string[]): Promise<string[]> {
    try {
      const answer = await this.pool.query(`SELECT r AS id FROM ${this.schema}.restart($1::uuid[]) r`, [[...ids]]);
      return rowsOf<{ id: string }>(answer).map((row) => row.id);
    } catch (error) {
      throw asQueueError(error);
    }
  }

  #checkId(id: string): void {
    if (!isUuid(id)) throw new UnknownJobError(id);
  }

  async #whyNot(id: string, verb: string): Promise<Error> {
    const job = await this.get(id);
    return job === undefined
      ? new UnknownJobError(id)
      : new JobStateError(`Job ${id} is ${job.state} and cannot be ${verb}.`);
  }
}
