import pg from "pg";
import { defineJob, Worker, WorkQueue } from "@understudy/work-queue";
import { poolSize, type BenchPayload, type MakeAdapter } from "./adapter.ts";

export const ownAdapter: MakeAdapter = ({ url }, { keepCompletedSeconds, concurrency, wait }) => {
  const pool = new pg.Pool({ connectionString: url, max: poolSize });
  pool.on("error", () => undefined);
  const work = new WorkQueue({ pool });
  const job = defineJob<BenchPayload>({
    queue: "bench",
    type: "bench",
    restartable: true,
    keepCompletedSeconds: Number(keepCompletedSeconds ?? 3_600),
  });
  return {
    async reset() {
      await pool.query("DROP SCHEMA IF EXISTS work_queue CASCADE");
      await work.install();
      await work.queues.define({ name: "bench" });
    },
    async producer() {
      return {
        add: (payload) => work.enqueue(job, payload),
        addMany: (payloads) => work.enqueueMany(job, payloads),
        close: () => pool.end(),
      };
    },
    async consumer(handler) {
      const worker = new Worker({
        work,
        holder: { id: `bench-${process.pid}` },
        queues: [{ name: "bench", concurrency: Number(concurrency ?? 10) }],
        handlers: [job.handledBy(handler)],
        ...(wait as object | undefined),
      });
      return () => worker.start();
    },
    async pending() {
      const { rows } = await pool.query<{ n: number }>("SELECT count(*)::int AS n FROM work_queue.job");
      return rows[0]?.n ?? 0;
    },
  };
};
