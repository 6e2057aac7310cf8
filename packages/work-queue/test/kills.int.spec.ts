/**
 * FAULTS row 11 for this package alone: worker processes killed with -9 or frozen with 20 running jobs each, with no
 * message server to tell. As many rounds as fit into UNDERSTUDY_KILL_SECONDS (30), at least three.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { eventually, registered } from "@understudy/testkit";
import { defineJob } from "@understudy/work-queue";
import { queueName, startRig, type Rig } from "./rig.ts";

const again = defineJob<null>({ queue: queueName, type: "again", restartable: true });
const onceOnly = defineJob<null>({ queue: queueName, type: "once", restartable: false });
const killSeconds = Number(process.env["UNDERSTUDY_KILL_SECONDS"] ?? 30);

class WorkerProcess {
  readonly started = new Map<string, number>();
  lostReason: string | undefined;
  concurrency: number | undefined;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;

  private constructor(
    readonly child: ChildProcess,
    readonly id: string,
  ) {
    this.ready = new Promise((resolve) =>
      child.on("message", (said: { ready?: string; started?: string; lost?: string; concurrency?: number }) => {
        if (said.ready !== undefined) resolve();
        if (said.started !== undefined) this.started.set(said.started, performance.now());
        if (said.concurrency !== undefined) this.concurrency = said.concurrency;
        if (said.lost !== undefined) this.lostReason = said.lost;
      }),
    );
    this.exited = once(child, "exit").then(() => undefined);
    registered({ pid: child.pid, exited: this.exited as never });
  }

  static async start(options: {
    url: string;
    id: string;
    concurrency: number;
    holdMs: number;
  }): Promise<WorkerProcess> {
    const script = fileURLToPath(new URL("./worker-process.mjs", import.meta.url));
    const child = fork(script, [JSON.stringify({ silenceMs: 1_500, ...options })], { execArgv: [] });
    const started = new WorkerProcess(child, options.id);
    await Promise.race([
      started.ready,
      started.exited.then(() => Promise.reject(new Error(`${options.id} ended before it was ready`))),
    ]);
    return started;
  }

  send(order: object): void {
    this.child.send(order);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.exited;
  }
}

describe("killed and frozen worker processes", () => {
  let rig: Rig;
  let url = "";
  const processes: WorkerProcess[] = [];
  const start = async (id: string, concurrency: number, holdMs: number) => {
    const made = await WorkerProcess.start({ url, id, concurrency, holdMs });
    processes.push(made);
    return made;
  };

  beforeAll(async () => {
    rig = await startRig();
    url = rig.server.url.replace("postgres@", `postgres:${rig.server.password}@`);
    await rig.pool.query(
      "CREATE TABLE effect (job uuid NOT NULL, attempt integer NOT NULL, by text NOT NULL); CREATE TABLE tick (term bigint NOT NULL, by text NOT NULL, seq bigserial)",
    );
  });
  afterEach(async () => {
    await Promise.all(
      processes.splice(0).map(async (each) => {
        each.child.kill("SIGCONT");
        await each.end("SIGKILL");
      }),
    );
    await rig.clear();
    await rig.pool.query("TRUNCATE effect, tick");
  });
  afterAll(() => rig.stop());

  const twenty = async (): Promise<string[]> => [
    ...(await rig.work.enqueueMany(again, Array<null>(14).fill(null))),
    ...(await rig.work.enqueueMany(onceOnly, Array<null>(6).fill(null))),
  ];
  const states = async (ids: readonly string[]) => {
    const { rows } = await rig.pool.query<{ id: string; state: string; type: string; effects: number }>(
      `SELECT v.id, v.state, v.type, (SELECT count(*)::int FROM effect e WHERE e.job = v.id) AS effects
         FROM (SELECT id, state, type FROM work_queue.job_view UNION ALL
               SELECT id, state, type FROM work_queue.completed_view) v WHERE v.id = ANY ($1)`,
      [[...ids]],
    );
    return rows;
  };
  const settled = (ids: readonly string[]) =>
    eventually(
      async () => {
        const found = await states(ids);
        const open = found.filter(({ state }) => state === "queued" || state === "running");
        if (found.length !== ids.length || open.length > 0) throw new Error(JSON.stringify(open.slice(0, 3)));
        return found;
      },
      { withinMs: 20_000, describe: "all jobs are over" },
    );

  it(
    "kill -9 with 20 running jobs: restartable ones run again elsewhere, the others end aborted; every effect exactly once",
    async () => {
      const survivor = await start("survivor", 0, 40);
      let rounds = 0;
      let abortedJobs = 0;
      let killedWhileRunning = 0;
      const restartMs: number[] = [];
      const endMs = performance.now() + killSeconds * 1_000;
      let next = start("victim-0", 20, 150);
      while (rounds < 3 || performance.now() < endMs) {
        const victim = await next;
        const ids = await twenty();
        await eventually(() => ids.every((id) => victim.started.has(id)), { describe: "20 jobs run on the victim" });
        survivor.send({ concurrency: 40 });
        next = start(`victim-${++rounds}`, 0, 150);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
        const killedAtMs = performance.now();
        await victim.end("SIGKILL");
        const running = (await states(ids)).filter(({ state }) => state === "running");
        killedWhileRunning += running.length;
        const found = await settled(ids);
        for (const { state, type, effects, id } of found) {
          expect({ id, type, state, effects }).toEqual(
            state === "completed"
              ? { id, type, state: "completed", effects: 1 }
              : { id, type: "once", state: "aborted", effects: 0 },
          );
        }
        const restarted = running.filter(({ type }) => type === "again").map(({ id }) => survivor.started.get(id) ?? 0);
        if (restarted.length > 0) restartMs.push(Math.max(...restarted) - killedAtMs);
        const aborted = found.filter(({ state }) => state === "aborted").map(({ id }) => id);
        abortedJobs += aborted.length;
        for (const id of aborted) await rig.work.jobs.restart(id);
        for (const { state, effects } of await settled(ids))
          expect({ state, effects }).toEqual({ state: "completed", effects: 1 });
        survivor.send({ concurrency: 0 });
        await eventually(() => survivor.concurrency === 0);
        (await next).send({ concurrency: 20 });
      }
      await next;
      const sorted = restartMs.toSorted((one, other) => one - other);
      const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
      console.log(
        `${rounds} kills, ${killedWhileRunning} jobs running at the kill, ${abortedJobs} aborted; all restarted elsewhere after ${Math.round(median)} ms (median), ${Math.round(sorted.at(-1) ?? 0)} ms (most)`,
      );
      expect(killedWhileRunning).toBeGreaterThan(rounds);
      expect(median).toBeLessThan(5_000);
    },
    killSeconds * 1_000 + 60_000,
  );

  it("a frozen worker's jobs run elsewhere; thawed, it writes nothing and goes on under a new incarnation", async () => {
    const frozen = await start("frozen", 20, 1_200);
    const ids = await twenty();
    await eventually(() => ids.every((id) => frozen.started.has(id)), { describe: "20 jobs run on the frozen one" });
    frozen.child.kill("SIGSTOP");
    const survivor = await start("survivor", 40, 20);
    const found = await settled(ids);
    const effectsBefore = await rig.pool.query("SELECT job, attempt, by FROM effect ORDER BY job");
    expect(found.filter(({ type, state }) => type === "again" && state !== "completed")).toEqual([]);
    frozen.child.kill("SIGCONT");
    await eventually(() => frozen.lostReason !== undefined, { describe: "the thawed worker knows" });
    // All its handlers come to their end meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await rig.pool.query("SELECT job, attempt, by FROM effect ORDER BY job")).rows).toEqual(effectsBefore.rows);
    for (const { state, effects } of await states(ids)) expect(effects).toBe(state === "completed" ? 1 : 0);
    await survivor.end("SIGKILL");
    // The new incarnation works.
    const { id } = await rig.work.enqueue(again, null);
    await rig.reaches(id, "completed");
  }, 60_000);

  it("FENCE: a service runs on when its process is killed; terms of its effects never fall", async () => {
    const first = await start("first", 0, 10);
    await rig.work.services.define({ name: "ticker", queue: "SERVICES" });
    const ticks = async () => Number((await rig.pool.query("SELECT count(*) AS n FROM tick")).rows[0].n);
    await eventually(async () => (await ticks()) > 3);
    let current = first;
    for (let round = 1; round <= 3; round++) {
      const successor = await start(`next-${round}`, 0, 10);
      const before = await ticks();
      if (round === 2) current.child.kill("SIGSTOP");
      else await current.end("SIGKILL");
      await eventually(
        async () =>
          Number((await rig.pool.query("SELECT count(*) AS n FROM tick WHERE by = $1", [successor.id])).rows[0].n) > 3,
        { withinMs: 15_000 },
      );
      expect(await ticks()).toBeGreaterThan(before);
      if (round === 2) {
        current.child.kill("SIGCONT");
        await eventually(() => current.lostReason !== undefined);
        await current.end("SIGKILL");
      }
      current = successor;
    }
    const { rows } = await rig.pool.query<{ term: string; by: string }>("SELECT term, by FROM tick ORDER BY seq");
    const terms = rows.map(({ term }) => Number(term));
    expect(terms).toEqual(terms.toSorted((one, other) => one - other));
    expect(new Set(rows.map(({ term, by }) => `${term} ${by}`)).size).toBe(4);
    expect(new Set(terms).size).toBe(4);
  }, 60_000);
});
