// A worker one of whose handlers blocks the event loop; tells what its detector found.
import pg from "pg";
import { defineJob, Worker, WorkQueue } from "@understudy/work-queue";

const pool = new pg.Pool({ connectionString: process.argv[2], max: 8 });
pool.on("error", () => undefined);
function standStill(ms) {
  const end = Date.now() + ms;
  while (Date.now() < end) Math.sqrt(end);
}
const quick = defineJob({ queue: "USERJOBS", type: "quick", restartable: true });
const worker = new Worker({
  work: new WorkQueue({ pool }),
  holder: { id: "blocked" },
  queues: [{ name: "USERJOBS", concurrency: 2 }],
  handlers: [quick.handledBy(() => standStill(2_000))],
  blockedAfterMs: 300,
});
worker.on("blocked", (block) => process.send({ block }));
process.on("disconnect", () => process.exit(0));
await worker.start();
