// A worker in a process of its own, to be killed, frozen and thawed. Orders come over IPC; starts are told over it.
import pg from "pg";
import { defineJob, Worker, WorkQueue } from "@understudy/work-queue";

const { url, id, concurrency, silenceMs, holdMs } = JSON.parse(process.argv[2]);
const pool = new pg.Pool({ connectionString: url, max: 30 });
pool.on("error", () => undefined);
// A lost worker's transactions are ended; pg tells a client in use as well, and nobody listening would end the process.
pool.on("connect", (client) => client.on("error", () => undefined));
const work = new WorkQueue({ pool });
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const queue = "USERJOBS";
let maxHoldMs = holdMs;

const effectOnce = async (payload, job) => {
  process.send({ started: job.id, attempt: job.attempt });
  await wait(Math.random() * maxHoldMs);
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("INSERT INTO effect (job, attempt, by) VALUES ($1, $2, $3)", [job.id, job.attempt, id]);
    await job.completeIn(client);
    await wait(Math.random() * 5);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
};

const worker = new Worker({
  work,
  holder: { id },
  queues: [{ name: queue, concurrency }],
  handlers: [
    defineJob({ queue, type: "again", restartable: true, backoff: { firstMs: 20 } }).handledBy(effectOnce),
    defineJob({ queue, type: "once", restartable: false }).handledBy(effectOnce),
  ],
  services: {
    queue: "SERVICES",
    most: 1,
    handlers: [
      {
        type: "ticker",
        async run(service) {
          while (!service.signal.aborted) {
            const client = await pool.connect();
            try {
              await client.query("BEGIN");
              await service.assertEffective(client);
              await client.query("INSERT INTO tick (term, by) VALUES ($1, $2)", [service.term, id]);
              await client.query("COMMIT");
            } catch (error) {
              await client.query("ROLLBACK").catch(() => undefined);
              throw error;
            } finally {
              client.release();
            }
            await wait(10);
          }
        },
      },
    ],
  },
  silenceMs,
  blockedAfterMs: 0,
});
worker.on("lost", (reason) => process.send({ lost: reason }));
worker.on("refused", ({ id: job }) => process.send({ refused: job }));
process.on("message", async (order) => {
  if (order.concurrency !== undefined) worker.setQueues([{ name: queue, concurrency: order.concurrency }]);
  if (order.concurrency !== undefined) process.send({ concurrency: order.concurrency });
  if (order.holdMs !== undefined) maxHoldMs = order.holdMs;
  if (order.stop) {
    await worker.stop({ drainMs: 2_000 });
    process.exit(0);
  }
});
process.on("disconnect", () => process.exit(0));
await worker.start();
process.send({ ready: worker.incarnation });
