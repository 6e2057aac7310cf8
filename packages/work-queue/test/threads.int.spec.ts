/** Handlers in worker threads, and handlers that should be. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { eventually, registered } from "@understudy/testkit";
import { defineJob, type LoopBlock } from "@understudy/work-queue";
import { gate, queueName, startRig, type Rig } from "./rig.ts";

const compute = defineJob<{ ms: number; what?: "throw" | "wait" }>({
  queue: queueName,
  type: "compute",
  restartable: false,
  timeoutMs: 1_500,
});
const inThread = compute.handledInThread(new URL("./computing-handler.mjs", import.meta.url));
const quick = defineJob<null>({ queue: queueName, type: "quick", restartable: true });

describe("threads", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterEach(() => rig.clear());
  afterAll(() => rig.stop());

  it("a handler that computes in a thread leaves the worker's loop free, and returns its result", async () => {
    const worker = await rig.worker({ handlers: [inThread, quick.handledBy(() => undefined)], threads: 1 });
    const long = await rig.work.enqueue(compute, { ms: 600 });
    await rig.reaches(long.id, "running");
    const short = await rig.work.enqueue(quick, null);
    await rig.reaches(short.id, "completed");
    expect(worker.figures.running).toBe(1);
    expect((await rig.reaches(long.id, "completed")).result).toEqual({ attempt: 1, isNumber: true });
  });

  it("what it throws is the job's reason; its signal reaches the thread", async () => {
    await rig.worker({ handlers: [inThread], threads: 2 });
    const thrown = await rig.work.enqueue(compute, { ms: 0, what: "throw" });
    expect((await rig.reaches(thrown.id, "failed")).reason).toContain("no compute");
    const waits = await rig.work.enqueue(compute, { ms: 0, what: "wait" });
    await rig.reaches(waits.id, "running");
    await rig.work.jobs.cancel(waits.id, "enough");
    await rig.reaches(waits.id, "cancelled");
  });

  it("one that never ends is terminated, and the next one gets a new thread", async () => {
    const worker = await rig.worker({ handlers: [inThread], threads: 1, graceMs: 200 });
    const stuck = await rig.work.enqueue(compute, { ms: 60_000 });
    const next = await rig.work.enqueue(compute, { ms: 1 }, { delayMs: 100 });
    expect((await rig.reaches(stuck.id, "failed")).reason).toContain("longer than 1500 ms");
    expect(worker.figures.abandoned).toBe(1);
    const again = await rig.work.enqueue(compute, { ms: 1 });
    await rig.reaches(again.id, "completed");
    await eventually(async () => ["completed", "failed"].includes((await rig.work.jobs.get(next.id))?.state ?? ""));
  });

  it("a handler that blocks the event loop is found and named", async () => {
    const url = rig.server.url.replace("postgres@", `postgres:${rig.server.password}@`);
    // In a process of its own: the inspector looks at a process's main thread, which here is Jest's.
    const child = fork(fileURLToPath(new URL("./blocked-process.mjs", import.meta.url)), [url], { execArgv: [] });
    const exited = once(child, "exit").then(() => undefined);
    registered({ pid: child.pid, exited: exited as never });
    const blocked = gate<LoopBlock>();
    child.on("message", ({ block }: { block: LoopBlock }) => blocked.open(block));
    await rig.work.enqueue(quick, null);
    const block = await Promise.race([blocked.promise, exited.then(() => Promise.reject(new Error("it ended")))]);
    child.kill("SIGKILL");
    await exited;
    expect(block.forMs).toBeGreaterThanOrEqual(300);
    expect(block.stack.join("\n")).toContain("standStill");
  });
});
