/**
 * What the peers promise in their documents, as far as we promise it too: each case is named after the promise. Sources:
 * pg-boss 12 (docs/api), graphile-worker 0.18 (docs/job-key, docs/tasks), BullMQ 6 (docs/guide).
 */
import { eventually } from "@understudy/testkit";
import { defineJob, type EnqueueOptions } from "@understudy/work-queue";
import { gate, queueName, startRig, type Rig } from "./rig.ts";

const job = defineJob<{ n: number }>({
  queue: queueName,
  type: "job",
  restartable: true,
  attempts: 3,
  backoff: { firstMs: 50, factor: 3, jitter: 0 },
});

interface Run {
  readonly n: number;
  readonly atMs: number;
}

describe("promises of the peers", () => {
  let rig: Rig;
  let runs: Run[] = [];
  beforeAll(async () => {
    rig = await startRig();
  });
  afterEach(async () => {
    await rig.clear();
    runs = [];
  });
  afterAll(() => rig.stop());

  const one = { queues: [{ name: queueName, concurrency: 1 }] };
  const recording = job.handledBy(({ n }) => void runs.push({ n, atMs: performance.now() }));
  const enqueueAll = async (...all: readonly [n: number, options?: EnqueueOptions][]): Promise<void> => {
    for (const [n, options] of all) await rig.work.enqueue(job, { n }, options);
  };
  const ran = (count: number) => eventually(() => runs.length >= count, { withinMs: 15_000 });
  const order = () => runs.map(({ n }) => n);

  it("BullMQ: jobs are processed in the order they are inserted (FIFO)", async () => {
    await enqueueAll(...Array.from({ length: 20 }, (_, n): [number] => [n]));
    await rig.worker({ ...one, handlers: [recording] });
    await ran(20);
    expect(order()).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it("pg-boss: priority, higher numbers have higher priority; equal ones in order of creation", async () => {
    await enqueueAll([1], [2, { priority: 5 }], [3, { priority: 5 }], [4, { priority: 9 }], [5, { priority: -2 }]);
    await rig.worker({ ...one, handlers: [recording] });
    await ran(5);
    expect(order()).toEqual([4, 2, 3, 1, 5]);
  });

  it("pg-boss, graphile-worker: startAfter / runAt, a job is not started before its time", async () => {
    await rig.worker({ ...one, handlers: [recording] });
    const fromMs = performance.now();
    await enqueueAll([1, { delayMs: 400 }]);
    await ran(1);
    expect((runs[0] as Run).atMs - fromMs).toBeGreaterThanOrEqual(395);
  });

  it("BullMQ: a delayed job does not hold up others", async () => {
    await enqueueAll([1, { delayMs: 60_000 }], [2], [3]);
    await rig.worker({ ...one, handlers: [recording] });
    await ran(2);
    expect(order()).toEqual([2, 3]);
  });

  it("BullMQ: exponential backoff, the wait grows with each attempt; after the attempts it is in the failed set", async () => {
    await rig.worker({
      ...one,
      handlers: [
        job.handledBy(({ n }) => {
          runs.push({ n, atMs: performance.now() });
          throw new Error("always");
        }),
      ],
    });
    const { id } = await rig.work.enqueue(job, { n: 1 });
    expect(await rig.reaches(id, "failed")).toMatchObject({ attempts: 3 });
    const waits = runs.slice(1).map(({ atMs }, n) => atMs - (runs[n] as Run).atMs);
    expect(waits[0]).toBeGreaterThanOrEqual(45);
    expect(waits[1]).toBeGreaterThanOrEqual(145);
  });

  it("pg-boss: a job is completed when its handler resolves, and its output is kept", async () => {
    await rig.worker({ ...one, handlers: [job.handledBy(async ({ n }) => ({ double: 2 * n }))] });
    const { id } = await rig.work.enqueue(job, { n: 21 });
    expect((await rig.reaches(id, "completed")).result).toEqual({ double: 42 });
  });

  it("graphile-worker: jobKey with jobKeyMode replace, a later one replaces all of an earlier one that has not started", async () => {
    await enqueueAll(
      [1, { uniqueKey: "k", ifExists: "replace", delayMs: 60_000 }],
      [2, { uniqueKey: "k", ifExists: "replace" }],
    );
    await rig.worker({ ...one, handlers: [recording] });
    await ran(1);
    await enqueueAll([3]);
    await ran(2);
    expect(order()).toEqual([2, 3]);
  });

  it("graphile-worker: a job key whose job is running schedules a new one, and the running one is not disturbed", async () => {
    const release = gate();
    await rig.worker({
      ...one,
      handlers: [
        job.handledBy(async ({ n }) => {
          runs.push({ n, atMs: 0 });
          if (n === 1) await release.promise;
        }),
      ],
    });
    await enqueueAll([1, { uniqueKey: "k" }]);
    await ran(1);
    await enqueueAll([2, { uniqueKey: "k", ifExists: "replace" }]);
    release.open();
    await ran(2);
    expect(order()).toEqual([1, 2]);
  });

  it("pg-boss singletonKey, BullMQ deduplication: while one is there another one is not created", async () => {
    await enqueueAll([1, { uniqueKey: "k" }], [2, { uniqueKey: "k" }], [3, { uniqueKey: "k" }]);
    await rig.worker({ ...one, handlers: [recording] });
    await ran(1);
    expect((await rig.work.jobs.list({ type: "job" })).length).toBe(1);
  });

  it("BullMQ: a job id that exists is not added again", async () => {
    const id = "0193a3a0-0000-7000-8000-000000000077";
    await enqueueAll([1, { id }], [2, { id }]);
    expect(await rig.work.jobs.get(id)).toMatchObject({ payload: { n: 1 } });
  });

  it("graphile-worker: queueName (our ordering key), jobs of one name run serially and in order, others beside them", async () => {
    let now = 0;
    let most = 0;
    let beside = 0;
    await rig.worker({
      queues: [{ name: queueName, concurrency: 8 }],
      handlers: [
        job.handledBy(async ({ n }) => {
          if (n >= 100) {
            beside = Math.max(beside, now);
            return;
          }
          most = Math.max(most, ++now);
          await new Promise((resolve) => setTimeout(resolve, 20));
          now--;
          runs.push({ n, atMs: 0 });
        }),
      ],
    });
    for (let n = 0; n < 8; n++) await enqueueAll([n, { orderingKey: "serial" }], [100 + n]);
    await ran(8);
    expect(order()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([most, beside]).toEqual([1, 1]);
  });

  it("pg-boss: cancel stops a pending job from being run; resume (our restart) lets it", async () => {
    const { id } = await rig.work.enqueue(job, { n: 1 });
    await rig.work.jobs.cancel(id);
    await rig.worker({ ...one, handlers: [recording] });
    await enqueueAll([2]);
    await ran(1);
    expect(order()).toEqual([2]);
    await rig.work.jobs.restart(id);
    await ran(2);
    expect(order()).toEqual([2, 1]);
  });

  it("BullMQ: pausing the queue, nothing is started until it is resumed, what runs goes on", async () => {
    await rig.worker({ ...one, handlers: [recording] });
    await rig.work.queues.pause(queueName);
    await enqueueAll([1]);
    expect((await rig.work.queues.figures()).find(({ name }) => name === queueName)).toMatchObject({
      isPaused: true,
      ready: 1,
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(order()).toEqual([]);
    await rig.work.queues.resume(queueName);
    await ran(1);
  });

  it("all three: a job is given to one worker only, however many ask", async () => {
    const others = ["a", "b", "c", "d"].map((id) => rig.worker({ holder: { id }, handlers: [recording] }));
    await Promise.all(others);
    await rig.work.enqueueMany(
      job,
      Array.from({ length: 400 }, (_, n) => ({ n })),
    );
    await ran(400);
    expect(order().toSorted((x, y) => x - y)).toEqual(Array.from({ length: 400 }, (_, n) => n));
  });
});
