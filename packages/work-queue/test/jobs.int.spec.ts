import { z } from "zod";
import { eventually } from "@understudy/testkit";
import {
  defineJob,
  DuplicateJobError,
  InvalidOptionError,
  InvalidPayloadError,
  JobStateError,
  PayloadTooLargeError,
  UnknownJobError,
  UnknownQueueError,
} from "@understudy/work-queue";
import { gate, queueName, startRig, type Rig } from "./rig.ts";

const note = defineJob({
  queue: queueName,
  type: "note",
  schema: z.object({ text: z.string() }),
  restartable: true,
  backoff: { firstMs: 20, jitter: 0 },
});
const once = defineJob<{ n: number }>({ queue: queueName, type: "once", restartable: false });

function circle(): object {
  const self: { self?: object } = {};
  self.self = self;
  return self;
}

describe("jobs", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterEach(() => rig.clear());
  afterAll(() => rig.stop());

  it("a job is run with its payload, completed, and its result kept", async () => {
    const { id } = await rig.work.enqueue(note, { text: "hello" });
    expect(await rig.work.jobs.get(id)).toMatchObject({ state: "queued", attempts: 0, payload: { text: "hello" } });
    const worker = await rig.worker({
      handlers: [note.handledBy(({ text }, job) => ({ said: text, n: job.attempt }))],
    });
    const job = await rig.reaches(id, "completed");
    expect(job).toMatchObject({
      id,
      queue: queueName,
      type: "note",
      attempts: 1,
      appServer: "app-server-a",
      incarnation: worker.incarnation,
      result: { said: "hello", n: 1 },
    });
  });

  it("a job enqueued in a transaction exists when that commits, and not when it is rolled back", async () => {
    const client = await rig.pool.connect();
    await client.query("BEGIN");
    const { id } = await rig.work.enqueue(note, { text: "a" }, { in: client });
    expect(await rig.work.jobs.get(id)).toBeUndefined();
    await client.query("COMMIT");
    expect(await rig.work.jobs.get(id)).toMatchObject({ state: "queued" });
    await client.query("BEGIN");
    const other = await rig.work.enqueue(note, { text: "b" }, { in: client });
    const many = await rig.work.enqueueMany(note, [{ text: "c" }], { in: client });
    await client.query("ROLLBACK");
    client.release();
    expect(await rig.work.jobs.get(other.id)).toBeUndefined();
    expect(await rig.work.jobs.get(many[0] as string)).toBeUndefined();
  });

  it("many are enqueued in order, and many at once by single callers too", async () => {
    const texts = Array.from({ length: 3_000 }, (_, n) => ({ text: `${n} "quoted" \\ \n line\u0000` }));
    const ids = await rig.work.enqueueMany(note, texts);
    const singles = await Promise.all(Array.from({ length: 500 }, (_, n) => rig.work.enqueue(note, { text: `s${n}` })));
    expect(new Set([...ids, ...singles.map(({ id }) => id)]).size).toBe(3_500);
    const seen: string[] = [];
    await rig.worker({
      queues: [{ name: queueName, concurrency: 1 }],
      handlers: [note.handledBy(({ text }) => void seen.push(text))],
    });
    await eventually(() => seen.length === 3_500);
    expect(seen.slice(0, 3_000)).toEqual(texts.map(({ text }) => text));
  });

  it("more than one statement takes are enqueued all or none", async () => {
    const ids = await rig.work.enqueueMany(
      once,
      Array.from({ length: 25_000 }, (_, n) => ({ n })),
    );
    expect(ids.length).toBe(25_000);
    expect((await rig.work.queues.figures()).find(({ name }) => name === queueName)?.ready).toBe(25_000);
  });

  it("a job that throws is tried again after a wait, and failed with its reason after its last attempt", async () => {
    const seen: number[] = [];
    const worker = await rig.worker({
      handlers: [
        note.handledBy((_, job) => {
          seen.push(job.attempt);
          throw new Error(`no luck ${job.attempt}, last: ${job.isLastAttempt}`);
        }),
      ],
    });
    const { id } = await rig.work.enqueue(note, { text: "" });
    const job = await rig.reaches(id, "failed");
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    expect(job.reason).toContain("no luck 5, last: true");
    expect(worker.figures).toMatchObject({ retried: 4, failed: 1, completed: 0 });
    await rig.work.jobs.restart(id);
    await eventually(() => seen.length === 10);
    expect(await rig.reaches(id, "failed")).toMatchObject({ attempts: 10 });
  });

  it.each([
    ["a text", "plain words"],
    ["nothing", undefined],
    ["null", null],
    ["a circle", circle()],
  ])("a handler that throws %s fails its job like any other", async (_, thrown) => {
    await rig.worker({
      handlers: [
        once.handledBy(() => {
          throw thrown;
        }),
      ],
    });
    const { id } = await rig.work.enqueue(once, { n: 1 });
    expect((await rig.reaches(id, "failed")).reason).toMatch(/The handler threw/);
  });

  it("delayed jobs wait, by the database's clock; those with a higher priority start sooner", async () => {
    const seen: number[] = [];
    await rig.work.enqueue(once, { n: 3 }, { delayMs: 300 });
    await rig.work.enqueue(once, { n: 4 }, { runAt: new Date(Date.now() + 500) });
    await rig.work.enqueue(once, { n: 2 }, { priority: -1 });
    await rig.work.enqueue(once, { n: 1 });
    await rig.work.enqueue(once, { n: 0 }, { priority: 7 });
    await rig.worker({
      queues: [{ name: queueName, concurrency: 1 }],
      handlers: [once.handledBy(({ n }) => void seen.push(n))],
    });
    await eventually(() => seen.length === 5);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  it("an id of the caller's is enqueued once, also after its job was completed", async () => {
    const id = "0193a3a0-0000-7000-8000-000000000001";
    expect(await rig.work.enqueue(note, { text: "a" }, { id })).toEqual({ id, outcome: "enqueued" });
    expect(await rig.work.enqueue(note, { text: "a" }, { id })).toEqual({ id, outcome: "known" });
    await rig.worker({ handlers: [note.handledBy(() => undefined)] });
    await rig.reaches(id, "completed");
    expect(await rig.work.enqueue(note, { text: "a" }, { id })).toEqual({ id, outcome: "known" });
  });

  it("a unique key: skip keeps the one that waits, reject refuses, replace changes it", async () => {
    const first = await rig.work.enqueue(note, { text: "1" }, { uniqueKey: "k" });
    expect(await rig.work.enqueue(note, { text: "2" }, { uniqueKey: "k" })).toEqual({
      id: first.id,
      outcome: "skipped",
    });
    await expect(rig.work.enqueue(note, { text: "3" }, { uniqueKey: "k", ifExists: "reject" })).rejects.toThrow(
      DuplicateJobError,
    );
    expect(await rig.work.enqueue(note, { text: "4" }, { uniqueKey: "k", ifExists: "replace" })).toEqual({
      id: first.id,
      outcome: "replaced",
    });
    expect(await rig.work.jobs.get(first.id)).toMatchObject({ payload: { text: "4" } });
    expect((await rig.work.enqueue(note, { text: "5" }, { uniqueKey: "other" })).outcome).toBe("enqueued");
  });

  it("twenty callers with one unique key make one job", async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => rig.work.enqueue(note, { text: `${n}` }, { uniqueKey: "k" })),
    );
    expect(all.filter(({ outcome }) => outcome === "enqueued").length).toBe(1);
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
  });

  it("replacing what runs enqueues another one behind it; a unique key is free again when its job is over", async () => {
    const running = gate();
    const release = gate();
    const seen: string[] = [];
    await rig.worker({
      queues: [{ name: queueName, concurrency: 1 }],
      handlers: [
        note.handledBy(async ({ text }) => {
          seen.push(text);
          running.open();
          await release.promise;
        }),
      ],
    });
    const first = await rig.work.enqueue(note, { text: "1" }, { uniqueKey: "k" });
    await running.promise;
    expect((await rig.work.enqueue(note, { text: "x" }, { uniqueKey: "k" })).outcome).toBe("skipped");
    const second = await rig.work.enqueue(note, { text: "2" }, { uniqueKey: "k", ifExists: "replace" });
    expect(second).toMatchObject({ outcome: "enqueued" });
    expect(second.id).not.toBe(first.id);
    release.open();
    await rig.reaches(second.id, "completed");
    expect(seen).toEqual(["1", "2"]);
    expect((await rig.work.enqueue(note, { text: "3" }, { uniqueKey: "k" })).outcome).toBe("enqueued");
  });

  it("jobs of one ordering key run one at a time and in order, on any number of workers", async () => {
    const now = new Map<string, number>();
    const seen = new Map<string, number[]>();
    let most = 0;
    const handlers = [
      defineJob<{ key: string; n: number }>({
        queue: queueName,
        type: "ordered",
        restartable: true,
        attempts: 3,
        backoff: { firstMs: 5 },
      }).handledBy(async ({ key, n }, job) => {
        const count = (now.get(key) ?? 0) + 1;
        now.set(key, count);
        most = Math.max(most, count);
        await new Promise((resolve) => setTimeout(resolve, 2));
        now.set(key, count - 1);
        if (n % 7 === 3 && job.attempt === 1) throw new Error("once more");
        seen.set(key, [...(seen.get(key) ?? []), n]);
      }),
    ];
    const ordered = handlers[0]!.definition as unknown as ReturnType<typeof defineJob<{ key: string; n: number }>>;
    for (let i = 0; i < 3; i++) await rig.worker({ holder: { id: `w${i}` }, handlers });
    await Promise.all(
      Array.from({ length: 8 }, async (_, k) => {
        for (let n = 0; n < 15; n++) await rig.work.enqueue(ordered, { key: `k${k}`, n }, { orderingKey: `k${k}` });
      }),
    );
    await eventually(() => [...seen.values()].reduce((sum, list) => sum + list.length, 0) === 120, {
      withinMs: 20_000,
    });
    expect(most).toBe(1);
    for (const list of seen.values()) expect(list).toEqual(Array.from({ length: 15 }, (_, n) => n));
  });

  it("bad input is told to whoever enqueues, and nothing is enqueued", async () => {
    const bad = { text: 5 } as unknown as { text: string };
    await expect(rig.work.enqueue(note, bad)).rejects.toThrow(InvalidPayloadError);
    await expect(rig.work.enqueue(note, bad)).rejects.toThrow(/text: /);
    await expect(rig.work.enqueueMany(note, [{ text: "" }, bad])).rejects.toThrow(InvalidPayloadError);
    await expect(rig.work.enqueue(once, { n: 1n } as unknown as { n: number })).rejects.toThrow(InvalidPayloadError);
    await expect(rig.work.enqueue(note, { text: "x".repeat(70_000) })).rejects.toThrow(PayloadTooLargeError);
    await expect(rig.work.enqueue(note, { text: "ß".repeat(40_000) })).rejects.toThrow(/80\d\d\d bytes.*65536/);
    const nowhere = defineJob<null>({ queue: "NOWHERE", type: "x", restartable: true });
    await expect(rig.work.enqueue(nowhere, null)).rejects.toThrow(UnknownQueueError);
    await expect(rig.work.enqueueNamed({ queue: "NOWHERE", type: "x" })).rejects.toThrow(UnknownQueueError);
    await expect(rig.work.enqueue(note, { text: "" }, { delayMs: -1 })).rejects.toThrow(InvalidOptionError);
    await expect(rig.work.enqueue(note, { text: "" }, { uniqueKey: "a\0b" })).rejects.toThrow(InvalidOptionError);
    await expect(rig.work.enqueue(note, { text: "" }, { id: "5" })).rejects.toThrow(InvalidOptionError);
    await expect(rig.work.queues.define({ name: "with space" })).rejects.toThrow(InvalidOptionError);
    expect((await rig.work.jobs.list()).length).toBe(0);
  });

  it("a payload that its schema refuses when it is run fails its job at once", async () => {
    const { id } = await rig.work.enqueueNamed({
      queue: queueName,
      type: "note",
      payload: { text: 5 },
      restartable: true,
    });
    await rig.worker({ handlers: [note.handledBy(() => undefined)] });
    expect(await rig.reaches(id, "failed")).toMatchObject({ attempts: 1 });
  });

  it("a type that nobody knows is parked and reported, not spun, and run when somebody comes who knows it", async () => {
    const parked: string[] = [];
    const worker = await rig.worker({ handlers: [note.handledBy(() => undefined)] });
    worker.on("parked", ({ type }) => parked.push(type));
    const { id } = await rig.work.enqueueNamed({ queue: queueName, type: "once", payload: { n: 1 } });
    const job = await rig.reaches(id, "parked");
    expect(job.reason).toContain('"once"');
    expect(job.attempts).toBe(1);
    await eventually(() => parked.length === 1);
    await rig.worker({ holder: { id: "app-server-b" }, handlers: [once.handledBy(() => undefined)] });
    await rig.reaches(id, "completed");
  });

  it("a type that only another worker knows is left to that one", async () => {
    await rig.worker({ holder: { id: "a" }, handlers: [note.handledBy(() => undefined)] });
    await rig.worker({ holder: { id: "b" }, handlers: [once.handledBy(() => undefined)] });
    const jobs = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        n % 2 === 0 ? rig.work.enqueue(note, { text: "" }) : rig.work.enqueue(once, { n }),
      ),
    );
    for (const { id } of jobs) await rig.reaches(id, "completed");
  });

  it("cancelling: what waits at once, what runs by its signal", async () => {
    const started = gate();
    await rig.worker({
      handlers: [
        once.handledBy(async (_, job) => {
          started.open();
          await new Promise((_resolve, reject) =>
            job.signal.addEventListener("abort", () => reject(job.signal.reason)),
          );
        }),
      ],
    });
    const later = await rig.work.enqueue(once, { n: 1 }, { delayMs: 60_000 });
    expect(await rig.work.jobs.cancel(later.id, "not needed")).toBe("cancelled");
    expect(await rig.work.jobs.get(later.id)).toMatchObject({ state: "cancelled", reason: "not needed" });
    const now = await rig.work.enqueue(once, { n: 2 });
    await started.promise;
    expect(await rig.work.jobs.cancel(now.id, "stop it")).toBe("cancelling");
    expect(await rig.reaches(now.id, "cancelled")).toMatchObject({ reason: "stop it" });
    await expect(rig.work.jobs.cancel(now.id)).rejects.toThrow(JobStateError);
    await expect(rig.work.jobs.cancel("0193a3a0-0000-7000-8000-000000000009")).rejects.toThrow(UnknownJobError);
    await expect(rig.work.jobs.restart("nonsense")).rejects.toThrow(UnknownJobError);
  });

  it("a handler that never ends is given up: timed out, its slot is free, its late completion is refused", async () => {
    const late = gate();
    const said = gate<unknown>();
    const slow = defineJob<{ isSlow: boolean }>({ queue: queueName, type: "slow", restartable: false, timeoutMs: 100 });
    const worker = await rig.worker({
      queues: [{ name: queueName, concurrency: 1 }],
      handlers: [
        slow.handledBy(async ({ isSlow }, job) => {
          if (!isSlow) return;
          await late.promise;
          await job.completeIn(rig.pool).then(
            () => said.open(undefined),
            (error: unknown) => said.open(error),
          );
        }),
      ],
    });
    const stuck = await rig.work.enqueue(slow, { isSlow: true });
    const next = await rig.work.enqueue(slow, { isSlow: false });
    expect((await rig.reaches(stuck.id, "failed")).reason).toContain("longer than 100 ms");
    await rig.reaches(next.id, "completed");
    expect(worker.figures.abandoned).toBe(1);
    late.open();
    expect(await said.promise).toMatchObject({ code: "JOB_LOST" });
  });

  it("progress can be looked at while the job runs", async () => {
    const release = gate();
    await rig.worker({
      handlers: [
        once.handledBy(async (_, job) => {
          job.progress({ done: 3, of: 10 });
          await release.promise;
        }),
      ],
    });
    const { id } = await rig.work.enqueue(once, { n: 1 });
    await eventually(async () => {
      expect((await rig.work.jobs.get(id))?.progress).toEqual({ done: 3, of: 10 });
      return true;
    });
    release.open();
    await rig.reaches(id, "completed");
  });

  it("lists by state, queue and type, newest first, page by page; retries all or tells what it would retry", async () => {
    await rig.worker({
      handlers: [
        once.handledBy(({ n }) => {
          if (n % 2 === 0) throw new Error("even");
        }),
      ],
    });
    const ids = await rig.work.enqueueMany(
      once,
      Array.from({ length: 10 }, (_, n) => ({ n })),
    );
    await rig.work.enqueue(note, { text: "" }, { delayMs: 60_000 });
    for (const [n, id] of ids.entries()) await rig.reaches(id, n % 2 === 0 ? "failed" : "completed");
    expect((await rig.work.jobs.list({ state: "failed", queue: queueName, type: "once" })).length).toBe(5);
    expect((await rig.work.jobs.list({ state: "completed" })).length).toBe(5);
    expect((await rig.work.jobs.list({ state: "queued" })).map(({ type }) => type)).toEqual(["note"]);
    const all = await rig.work.jobs.list({ type: "once" });
    expect(all.map(({ id }) => id)).toEqual(ids.toReversed());
    const page = await rig.work.jobs.list({ type: "once", limit: 3 });
    const next = await rig.work.jobs.list({ type: "once", limit: 3, before: page[2]!.id });
    expect([...page, ...next].map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 6));
    await expect(rig.work.jobs.list({ limit: 0 })).rejects.toThrow(InvalidOptionError);

    const dry = await rig.work.jobs.retryAll({ isDryRun: true });
    expect(dry).toEqual({ ids: ids.filter((_, n) => n % 2 === 0), isDryRun: true });
    await rig.work.queues.pause(queueName, "look first");
    expect((await rig.work.jobs.retryAll({ type: "once" })).ids.length).toBe(5);
    const figures = (await rig.work.queues.figures()).find(({ name }) => name === queueName);
    expect(figures).toMatchObject({ isPaused: true, pausedReason: "look first", ready: 5, delayed: 1, failed: 0 });
    await rig.work.queues.resume(queueName);
    await eventually(async () => (await rig.work.jobs.list({ state: "failed" })).length === 5);
  });

  it("results are pruned when their time is over, past rows that others have locked", async () => {
    const brief = defineJob<{ n: number }>({
      queue: queueName,
      type: "brief",
      restartable: true,
      keepCompletedSeconds: 1,
    });
    const none = defineJob<{ n: number }>({
      queue: queueName,
      type: "none",
      restartable: true,
      keepCompletedSeconds: 0,
    });
    const worker = await rig.worker({ handlers: [brief.handledBy(() => undefined), none.handledBy(() => undefined)] });
    const ids = await rig.work.enqueueMany(brief, [{ n: 1 }, { n: 2 }, { n: 3 }]);
    const gone = await rig.work.enqueue(none, { n: 1 });
    for (const id of ids) await rig.reaches(id, "completed");
    await eventually(() => worker.figures.completed === 4);
    expect(await rig.work.jobs.get(gone.id)).toBeUndefined();
    const client = await rig.pool.connect();
    await client.query("BEGIN");
    await client.query("SELECT FROM work_queue.completed WHERE id = $1 FOR UPDATE", [ids[0]]);
    await eventually(async () => {
      await rig.pool.query("SELECT work_queue.prune(100)");
      return (await rig.work.jobs.list({ state: "completed" })).length === 1;
    });
    await client.query("COMMIT");
    client.release();
    await rig.pool.query("SELECT work_queue.prune(100)");
    expect((await rig.work.jobs.list({ state: "completed" })).length).toBe(0);
  });

  it("a worker that stops gives back what it did not start, and lets handlers end", async () => {
    const started = gate();
    const release = gate();
    const worker = await rig.worker({
      queues: [{ name: queueName, concurrency: 1 }],
      handlers: [
        once.handledBy(async () => {
          started.open();
          await release.promise;
        }),
      ],
    });
    const first = await rig.work.enqueue(once, { n: 1 });
    await started.promise;
    const second = await rig.work.enqueue(once, { n: 2 });
    const stopped = worker.stop();
    release.open();
    await stopped;
    expect(await rig.work.jobs.get(first.id)).toMatchObject({ state: "completed" });
    expect(await rig.work.jobs.get(second.id)).toMatchObject({ state: "queued" });
    expect(await rig.work.holders.list()).toEqual([expect.objectContaining({ standing: "left", running: 0 })]);
  });
});
