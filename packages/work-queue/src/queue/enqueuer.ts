/**
 * Single enqueues, gathered: what callers ask for while a statement is on its way goes with the next one, one statement
 * and one commit for all of one kind. Each caller is answered after the commit that holds its job, and no sooner.
 *
 * It owns the jobs that were asked for and not yet sent; states: idle, or `inFlight` statements (at most `lanes`).
 * A statement that the database refuses for its data is taken apart, so that one bad job fails one caller.
 */
import { asQueueError, isFaultOfData } from "../queue-errors.ts";
import type { QueuePool, Transaction } from "./queue-pool.ts";

export interface JobKind {
  readonly queue: string;
  readonly type: string;
  readonly restartable: boolean;
  readonly attempts: number;
  readonly priority: number;
}

export interface NewJob {
  readonly id: string;
  readonly document: string;
  readonly priority?: number | undefined;
  readonly delayMs?: number | undefined;
  readonly runAt?: Date | undefined;
  readonly orderingKey?: string | undefined;
}

interface Asked {
  readonly job: NewJob;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

interface Group {
  readonly kind: JobKind;
  asked: Asked[];
}

/** Two: while one waits for its commit, the next one is parsed. More make smaller groups. */
const lanes = 2;
const mostInOne = 2_000;

export interface InsertTarget {
  readonly schema: string;
  /** False where somebody else wakes the workers. */
  readonly notifies: boolean;
}

const column = <Value>(jobs: readonly NewJob[], of: (job: NewJob) => Value | undefined): (Value | null)[] | null =>
  jobs.some((job) => of(job) !== undefined) ? jobs.map((job) => of(job) ?? null) : null;

/** One statement. Arrays of what nobody asked for are left away, which is the fast way through the function. */
export async function insertJobs(
  where: Transaction,
  { schema, notifies }: InsertTarget,
  kind: JobKind,
  jobs: readonly NewJob[],
): Promise<void> {
  await where.query(`SELECT ${schema}.enqueue($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, [
    kind.queue,
    kind.type,
    kind.restartable,
    kind.attempts,
    kind.priority,
    `{${jobs.map(({ id }) => id).join(",")}}`,
    jobs.map(({ document }) => document).join("\n"),
    column(jobs, ({ priority }) => priority),
    column(jobs, ({ delayMs }) => delayMs),
    column(jobs, ({ runAt }) => runAt?.toISOString()),
    column(jobs, ({ orderingKey }) => orderingKey),
    notifies,
  ]);
}

export class Enqueuer {
  readonly #groups = new Map<string, Group>();
  #inFlight = 0;
  #isScheduled = false;

  constructor(
    private readonly pool: QueuePool,
    private readonly target: InsertTarget,
    private readonly afterCommit: (queue: string) => void,
  ) {}

  add(kind: JobKind, job: NewJob): Promise<void> {
    const key = `${kind.queue}\0${kind.type}\0${kind.restartable}\0${kind.attempts}\0${kind.priority}`;
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = { kind, asked: [] }));
    const { asked } = group;
    const answered = new Promise<void>((done, failed) => asked.push({ job, done, failed }));
    if (!this.#isScheduled && this.#inFlight < lanes) {
      this.#isScheduled = true;
      // After the microtasks: whoever was answered together asks together.
      process.nextTick(() => {
        this.#isScheduled = false;
        this.#send();
      });
    }
    return answered;
  }

  #send(): void {
    while (this.#inFlight < lanes) {
      const [entry] = this.#groups;
      if (entry === undefined) return;
      const [key, group] = entry;
      const batch = group.asked.splice(0, mostInOne);
      // To the end of the line: a busy kind of job does not keep out the others.
      this.#groups.delete(key);
      if (group.asked.length > 0) this.#groups.set(key, group);
      this.#inFlight++;
      void this.#insert(group.kind, batch).finally(() => {
        this.#inFlight--;
        if (!this.#isScheduled && this.#groups.size > 0) {
          this.#isScheduled = true;
          process.nextTick(() => {
            this.#isScheduled = false;
            this.#send();
          });
        }
      });
    }
  }

  async #insert(kind: JobKind, batch: readonly Asked[]): Promise<void> {
    try {
      await insertJobs(
        this.pool,
        this.target,
        kind,
        batch.map(({ job }) => job),
      );
      for (const { done } of batch) done();
      this.afterCommit(kind.queue);
    } catch (error) {
      if (batch.length === 1 || !isFaultOfData(error)) {
        const told = asQueueError(error);
        for (const { failed } of batch) failed(told);
        return;
      }
      for (const one of batch) await this.#insert(kind, [one]);
    }
  }
}
