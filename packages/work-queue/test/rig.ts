/** A real PostgreSQL with the queues' tables, workers that are stopped, and what tests wait for. */
import type pg from "pg";
import { eventually, PostgresServer } from "@understudy/testkit";
import {
  Worker,
  WorkQueue,
  type JobRecord,
  type JobState,
  type WorkerOptions,
  type WorkQueueOptions,
} from "@understudy/work-queue";

export interface Rig {
  readonly server: PostgresServer;
  readonly pool: pg.Pool;
  readonly work: WorkQueue;
  queue(options?: Partial<WorkQueueOptions>): WorkQueue;
  worker(options: Partial<WorkerOptions> & Pick<WorkerOptions, "handlers">): Promise<Worker>;
  /** The job, when it is in this state. */
  reaches(id: string, state: JobState, withinMs?: number): Promise<JobRecord>;
  /** Stops the workers of a test and empties the tables. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export const queueName = "USERJOBS";

export async function startRig(): Promise<Rig> {
  const server = await PostgresServer.start();
  const pool = server.pool({ max: 20 });
  const work = new WorkQueue({ pool });
  await work.install();
  const workers: Worker[] = [];
  const clear = async (): Promise<void> => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop({ drainMs: 200 })));
    const empty = `TRUNCATE work_queue.job, work_queue.completed, work_queue.lane_event, work_queue.holder,
      work_queue.fence, work_queue.service, work_queue.schedule, work_queue.schedule_firing`;
    // The last statement of a process that was killed may still be at work, and meet this one crosswise.
    await eventually(() => pool.query(empty), { describe: "the tables are empty" });
    await work.queues.define({ name: queueName });
    await work.queues.define({ name: "SERVICES", kind: "services" });
    await work.queues.resume(queueName);
  };
  await work.queues.define({ name: queueName });
  await clear();
  return {
    server,
    pool,
    work,
    queue: (options = {}) => new WorkQueue({ pool, ...options }),
    async worker(options) {
      const worker = new Worker({
        work,
        holder: { id: "app-server-a" },
        queues: [{ name: queueName, concurrency: 5 }],
        graceMs: 300,
        blockedAfterMs: 0,
        ...options,
      });
      workers.push(worker);
      await worker.start();
      return worker;
    },
    reaches: (id, state, withinMs = 10_000) =>
      eventually(
        async () => {
          const job = await work.jobs.get(id);
          if (job?.state !== state) throw new Error(`it is ${JSON.stringify(job)}`);
          return job;
        },
        { withinMs, describe: `job ${id} is ${state}` },
      ),
    clear,
    async stop() {
      await Promise.all(workers.splice(0).map((worker) => worker.stop({ drainMs: 200 })));
      await server.remove();
    },
  };
}

/** A promise and its settlers. */
export interface Gate<Value = void> {
  readonly promise: Promise<Value>;
  readonly open: (value: Value) => void;
}

export function gate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((resolve) => (open = resolve));
  return { promise, open };
}
