/** Q1, Q2, Q3: who lost its standing writes nothing more, and its jobs go where they may. */
import { eventually } from "@understudy/testkit";
import { defineJob, StandingLostError, Worker } from "@understudy/work-queue";
import { gate, queueName, startRig, type Rig } from "./rig.ts";

const again = defineJob<{ n: number }>({ queue: queueName, type: "again", restartable: true });
const once = defineJob<{ n: number }>({ queue: queueName, type: "once", restartable: false });
const dead = "0193a3a0-0000-7000-8000-00000000dead";

describe("holders and verdicts", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
    await rig.pool.query("CREATE TABLE effect (job uuid NOT NULL, attempt integer NOT NULL)");
  });
  afterEach(async () => {
    await rig.clear();
    await rig.pool.query("TRUNCATE effect");
  });
  afterAll(() => rig.stop());

  it("Q1: after the verdict restartable jobs run elsewhere, the others are aborted with the reason and restartable by hand", async () => {
    const release = gate();
    const handlers = [again, once].map((definition) => definition.handledBy(() => release.promise));
    const lost = await rig.worker({ handlers, guardedBy: "application", holder: { id: "a", incarnation: dead } });
    const jobs = { again: await rig.work.enqueue(again, { n: 1 }), once: await rig.work.enqueue(once, { n: 1 }) };
    await eventually(() => lost.figures.running === 2);
    const other = await rig.worker({
      handlers: [again, once].map((definition) => definition.handledBy(() => undefined)),
      guardedBy: "application",
      holder: { id: "b" },
    });
    const heard = gate<string>();
    lost.on("lost", heard.open);
    const verdict = await rig.work.holders.loseHolder(dead, { term: 7, reason: "machine-a is gone" });
    expect(verdict).toMatchObject({ isAccepted: true, requeued: 1, aborted: 1, remaining: 0 });
    expect(await rig.reaches(jobs.again.id, "completed")).toMatchObject({
      attempts: 2,
      appServer: "b",
      incarnation: other.incarnation,
    });
    expect(await rig.reaches(jobs.once.id, "aborted")).toMatchObject({
      attempts: 1,
      appServer: "a",
      incarnation: dead,
      reason: "machine-a is gone",
    });
    await heard.promise;
    expect(lost.figures.state).toBe("lost");
    release.open();
    await rig.work.jobs.restart(jobs.once.id);
    expect(await rig.reaches(jobs.once.id, "completed")).toMatchObject({ attempts: 2, appServer: "b" });
  });

  it("a verdict under a lower term than was seen does nothing; one repeated under the same term is harmless", async () => {
    const release = gate();
    await rig.worker({
      handlers: [again.handledBy(() => release.promise)],
      guardedBy: "application",
      holder: { id: "a", incarnation: dead },
    });
    const { id } = await rig.work.enqueue(again, { n: 1 });
    await rig.reaches(id, "running");
    await rig.work.holders.loseHolder("0193a3a0-0000-7000-8000-000000000001", { term: 9, reason: "another one" });
    const old = await rig.work.holders.loseHolder(dead, { term: 8, reason: "from the past" });
    expect(old).toMatchObject({ isAccepted: false, requeued: 0 });
    expect(await rig.work.jobs.get(id)).toMatchObject({ state: "running" });
    expect(await rig.work.holders.loseHolder(dead, { term: 9, reason: "now" })).toMatchObject({ requeued: 1 });
    expect(await rig.work.holders.loseHolder(dead, { term: 9, reason: "now" })).toMatchObject({ requeued: 0 });
    release.open();
  });

  it("an incarnation that was declared lost before it came is refused when it comes", async () => {
    await rig.work.holders.loseHolder(dead, { reason: "never seen" });
    await expect(
      rig.worker({ handlers: [again.handledBy(() => undefined)], holder: { id: "a", incarnation: dead } }),
    ).rejects.toThrow(StandingLostError);
  });

  it("Q2: the handler's transaction cannot commit once somebody else has the job", async () => {
    const lost = gate();
    const outcome = gate<unknown>();
    const zombie = again.handledBy(async (_, job) => {
      const client = await rig.pool.connect();
      await client.query("BEGIN");
      await client.query("INSERT INTO effect VALUES ($1, $2)", [job.id, job.attempt]);
      await lost.promise;
      try {
        // Past what is known here: as a process that was frozen and has not heard anything yet.
        await client.query("SELECT work_queue.complete_in($1, $2, $3, '', 60)", [dead, job.id, job.attempt]);
      } catch {
        // A handler that swallows the refusal.
      }
      outcome.open((await client.query("COMMIT")).command);
      client.release();
    });
    await rig.worker({ handlers: [zombie], guardedBy: "application", holder: { id: "a", incarnation: dead } });
    const { id } = await rig.work.enqueue(again, { n: 1 });
    await rig.reaches(id, "running");
    await rig.work.holders.loseHolder(dead, { reason: "frozen" });
    const good = again.handledBy(async (_, job) => {
      const client = await rig.pool.connect();
      await client.query("BEGIN");
      await client.query("INSERT INTO effect VALUES ($1, $2)", [job.id, job.attempt]);
      await job.completeIn(client, { by: "b" });
      await client.query("COMMIT");
      client.release();
    });
    const worker = await rig.worker({ handlers: [good], guardedBy: "application", holder: { id: "b" } });
    expect(await rig.reaches(id, "completed")).toMatchObject({ result: { by: "b" }, attempts: 2 });
    await eventually(() => worker.figures.completed === 1);
    lost.open();
    expect(await outcome.promise).toBe("ROLLBACK");
    expect((await rig.pool.query("SELECT attempt FROM effect WHERE job = $1", [id])).rows).toEqual([{ attempt: 2 }]);
  });

  it("a completion in a transaction that is rolled back is none: the job is tried again", async () => {
    let runs = 0;
    const handler = defineJob<null>({
      queue: queueName,
      type: "rolled-back",
      restartable: true,
      backoff: { firstMs: 10 },
    });
    await rig.worker({
      handlers: [
        handler.handledBy(async (_, job) => {
          const client = await rig.pool.connect();
          await client.query("BEGIN");
          await client.query("INSERT INTO effect VALUES ($1, $2)", [job.id, job.attempt]);
          await job.completeIn(client);
          await client.query(++runs === 1 ? "ROLLBACK" : "COMMIT");
          client.release();
          if (runs === 2) throw new Error("after the commit: too late to matter");
        }),
      ],
    });
    const { id } = await rig.work.enqueue(handler, null);
    expect(await rig.reaches(id, "completed")).toMatchObject({ attempts: 2 });
    expect((await rig.pool.query("SELECT attempt FROM effect")).rows).toEqual([{ attempt: 2 }]);
  });

  it("TypeORM: a job enqueued and completed through an EntityManager is part of its transaction", async () => {
    const { DataSource } = await import("typeorm");
    const { port, database } = rig.server.options;
    const source = new DataSource({
      type: "postgres",
      host: "127.0.0.1",
      port,
      database,
      username: "postgres",
      password: rig.server.password,
    });
    await source.initialize();
    try {
      let id = "";
      await expect(
        source.transaction(async (manager) => {
          ({ id } = await rig.work.enqueue(again, { n: 1 }, { in: manager, uniqueKey: "typeorm" }));
          throw new Error("rolled back");
        }),
      ).rejects.toThrow("rolled back");
      expect(await rig.work.jobs.get(id)).toBeUndefined();
      await rig.worker({
        handlers: [
          again.handledBy((_, job) =>
            source.transaction(async (manager) => {
              await manager.query("INSERT INTO effect VALUES ($1, $2)", [job.id, job.attempt]);
              await job.assertHeld(manager);
              await job.completeIn(manager, { through: "typeorm" });
            }),
          ),
        ],
      });
      ({ id } = await source.transaction((manager) => rig.work.enqueue(again, { n: 2 }, { in: manager })));
      expect(await rig.reaches(id, "completed")).toMatchObject({ result: { through: "typeorm" } });
    } finally {
      await source.destroy();
    }
  });

  it("a transaction in which the lost one is about to complete is ended, and its job runs elsewhere at once", async () => {
    const opened = gate();
    const said = gate<unknown>();
    const end = gate();
    await rig.worker({
      handlers: [
        again.handledBy(async (_, job) => {
          const client = await rig.pool.connect();
          client.on("error", (error) => said.open(error));
          await client.query("BEGIN");
          await job.completeIn(client);
          opened.open();
          // As a process that is frozen here.
          await end.promise;
          client.release(true);
        }),
      ],
      guardedBy: "application",
      holder: { id: "a", incarnation: dead },
    });
    const { id } = await rig.work.enqueue(again, { n: 1 });
    await opened.promise;
    const verdict = await rig.work.holders.loseHolder(dead, { reason: "gone" });
    expect(verdict).toMatchObject({ isAccepted: true, requeued: 1, remaining: 0 });
    expect(await said.promise).toMatchObject({ code: "57P01" });
    end.open();
    expect(await rig.work.jobs.get(id)).toMatchObject({ state: "queued" });
  });

  it("rows that somebody else has locked follow when that transaction ends", async () => {
    await rig.pool.query("SELECT work_queue.register_holder($1, 'x', false, '{}')", [dead]);
    const { id } = await rig.work.enqueue(again, { n: 1 });
    await rig.pool.query("SELECT work_queue.claim($1, $2, 10, NULL)", [dead, queueName]);
    const client = await rig.pool.connect();
    await client.query("BEGIN");
    await client.query("SELECT FROM work_queue.job WHERE id = $1 FOR UPDATE", [id]);
    const verdict = await rig.work.holders.loseHolder(dead, { reason: "gone" });
    expect(verdict).toMatchObject({ isAccepted: true, requeued: 0, remaining: 1 });
    await client.query("COMMIT");
    client.release();
    expect(await rig.work.holders.sweep()).toBe(1);
    expect(await rig.work.jobs.get(id)).toMatchObject({ state: "queued" });
  });

  it("a claim and a verdict at the same time leave nothing with the lost one", async () => {
    for (let round = 0; round < 20; round++) {
      const incarnation = `0193a3a0-0000-7000-8000-0000000001${String(round).padStart(2, "0")}`;
      await rig.pool.query("SELECT work_queue.register_holder($1, 'x', false, '{}')", [incarnation]);
      await rig.work.enqueueMany(
        again,
        Array.from({ length: 50 }, (_, n) => ({ n })),
      );
      const claims = Array.from({ length: 5 }, () =>
        rig.pool
          .query("SELECT count(*)::int AS n FROM work_queue.claim($1, $2, 10, NULL)", [incarnation, queueName])
          .then(({ rows }) => rows[0].n as number)
          .catch((error: { code: string }) => (error.code === "UQ001" ? 0 : Promise.reject(error))),
      );
      await rig.work.holders.loseHolder(incarnation, { reason: "race" });
      await Promise.all(claims);
      const left = await rig.pool.query("SELECT count(*)::int AS n FROM work_queue.job WHERE state = 'running'");
      expect(left.rows[0].n).toBe(0);
    }
  });

  it("Q3: a worker declared lost aborts its handlers, is heard no more, and goes on under a new incarnation", async () => {
    const aborted = gate<unknown>();
    const worker = await rig.worker({
      handlers: [
        again.handledBy(async (_, job) => {
          if (job.attempt > 1) return "second";
          await new Promise<void>((resolve) =>
            job.signal.addEventListener("abort", () => {
              aborted.open(job.signal.reason);
              resolve();
            }),
          );
          return "first";
        }),
      ],
    });
    const { id } = await rig.work.enqueue(again, { n: 1 });
    await rig.reaches(id, "running");
    const before = worker.incarnation as string;
    await rig.work.holders.loseHolder(before, { reason: "thought to be gone" });
    expect(await aborted.promise).toBeInstanceOf(StandingLostError);
    const job = await rig.reaches(id, "completed");
    expect(job).toMatchObject({ result: "second", attempts: 2 });
    expect(worker.incarnation).not.toBe(before);
    expect(worker.figures.completed).toBe(1);
  });

  it("a job that was lost with its worker too often is failed: it may be what kills them", async () => {
    await rig.work.queues.define({ name: queueName, maxLosses: 2 });
    const { id } = await rig.work.enqueue(again, { n: 1 });
    for (let loss = 0; loss < 3; loss++) {
      const incarnation = `0193a3a0-0000-7000-8000-0000000002${String(loss).padStart(2, "0")}`;
      await rig.pool.query("SELECT work_queue.register_holder($1, 'x', false, '{}')", [incarnation]);
      await rig.pool.query("SELECT work_queue.claim($1, $2, 10, NULL)", [incarnation, queueName]);
      await rig.work.holders.loseHolder(incarnation, { reason: "killed." });
    }
    expect(await rig.work.jobs.get(id)).toMatchObject({ state: "failed", losses: 3, attempts: 3 });
  });

  it("a worker whose session in the database is ended comes back before it is taken for dead", async () => {
    const release = gate();
    const worker = await rig.worker({ holder: { id: "a" }, handlers: [again.handledBy(() => release.promise)] });
    const watcher = await rig.worker({ holder: { id: "b" }, queues: [], handlers: [] });
    const lost: unknown[] = [];
    watcher.on("peerLost", (peer) => lost.push(peer));
    const { id } = await rig.work.enqueue(again, { n: 1 });
    await rig.reaches(id, "running");
    const sessionOf = async () =>
      (await rig.pool.query("SELECT session FROM work_queue.holder WHERE incarnation = $1", [worker.incarnation]))
        .rows[0];
    expect(await sessionOf()).toEqual({ session: 1 });
    await rig.pool.query(
      `SELECT pg_terminate_backend(l.pid) FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted
          AND (l.classid::bigint << 32 | l.objid::bigint) = work_queue.session_key($1, 1)`,
      [worker.incarnation],
    );
    await eventually(async () => (await sessionOf()).session === 2);
    release.open();
    expect(await rig.reaches(id, "completed")).toMatchObject({ attempts: 1 });
    expect(lost).toEqual([]);
  });

  it("a worker that cannot be started says why, and can be made anew", async () => {
    const worker = new Worker({ work: rig.work, holder: { id: "a" }, queues: [], handlers: [], blockedAfterMs: 0 });
    await rig.pool.query("ALTER TABLE work_queue.holder RENAME TO hidden");
    await expect(worker.start()).rejects.toThrow(/holder/);
    await rig.pool.query("ALTER TABLE work_queue.hidden RENAME TO holder");
    await worker.start();
    await worker.stop();
  });
});
