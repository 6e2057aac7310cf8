/** Over a failover-pool: the database dies and comes back, and no job is lost, none runs twice at the same time. */
import { eventually } from "@understudy/testkit";
import { FailoverPool } from "@understudy/failover-pool";
import { defineJob, Worker, WorkQueue } from "@understudy/work-queue";
import { queueName, startRig, type Rig } from "./rig.ts";

const job = defineJob<{ n: number }>({ queue: queueName, type: "job", restartable: true });

describe("the database away", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterAll(() => rig.stop());

  it("a worker is held, tells it, and goes on with what it had; each job completed is completed once", async () => {
    const { port, database } = rig.server.options;
    const pool = new FailoverPool({
      hosts: [{ id: "postgres-a", host: "127.0.0.1", port }],
      user: "postgres",
      password: rig.server.password,
      database,
      max: 8,
      holdMaxMs: 20_000,
    });
    const work = new WorkQueue({ pool });
    const seen = new Map<string, number>();
    const worker = new Worker({
      work,
      holder: { id: "a" },
      queues: [{ name: queueName, concurrency: 5 }],
      handlers: [
        job.handledBy(async (_, { id }) => {
          seen.set(id, (seen.get(id) ?? 0) + 1);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }),
      ],
      guardedBy: "application",
      blockedAfterMs: 0,
    });
    await worker.start();
    try {
      const ids: string[] = [];
      const enqueueSome = async (count: number) => {
        for (let n = 0; n < count; n++) ids.push((await work.enqueue(job, { n })).id);
      };
      await enqueueSome(50);
      const during = enqueueSome(100);
      await eventually(() => worker.figures.completed > 10);
      await rig.server.kill();
      await rig.server.start();
      await during;
      await eventually(
        async () => {
          const jobs = await work.jobs.list({ state: "completed", limit: 1_000 });
          if (jobs.length < 150) throw new Error(`${jobs.length} are completed; ${JSON.stringify(worker.figures)}`);
          return true;
        },
        { withinMs: 30_000 },
      );
      expect(new Set((await work.jobs.list({ state: "completed", limit: 1_000 })).map(({ id }) => id))).toEqual(
        new Set(ids),
      );
      expect([...seen.values()].every((times) => times === 1)).toBe(true);
      expect((await work.jobs.list({ state: "running" })).length).toBe(0);
      // It hears again.
      const { id } = await work.enqueue(job, { n: 0 });
      await rig.reaches(id, "completed");
    } finally {
      await worker.stop({ drainMs: 500 });
      await pool.end();
    }
  }, 60_000);
});
