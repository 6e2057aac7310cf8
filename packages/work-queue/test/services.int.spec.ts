/** Services and schedules. */
import { eventually } from "@understudy/testkit";
import { defineJob, type ServiceHandler, type WorkerServices } from "@understudy/work-queue";
import { gate, queueName, startRig, type Rig } from "./rig.ts";

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });

const host = (...handlers: ServiceHandler[]): WorkerServices => ({ queue: "SERVICES", most: 2, handlers });

describe("services", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterEach(() => rig.clear());
  afterAll(() => rig.stop());

  const serviceNamed = async (name: string) => (await rig.work.services.list()).find((one) => one.name === name);

  it("of three workers one runs it; when that one stops another takes it, under a higher term", async () => {
    const running: string[] = [];
    const workers = await Promise.all(
      ["a", "b", "c"].map((id) =>
        rig.worker({
          holder: { id },
          handlers: [],
          services: host({
            type: "watcher",
            async run({ signal }) {
              running.push(id);
              await untilAborted(signal);
              running.splice(running.indexOf(id), 1);
            },
          }),
        }),
      ),
    );
    await rig.work.services.define({ name: "watcher", queue: "SERVICES" });
    await eventually(() => running.length === 1);
    const first = await serviceNamed("watcher");
    expect(first).toMatchObject({ term: 1, appServer: running[0], isPaused: false });
    await workers.find(({ incarnation }) => incarnation === first?.incarnation)?.stop();
    await eventually(async () => (await serviceNamed("watcher"))?.term === 2 && running.length === 1);
    expect(running).not.toEqual([first?.appServer]);
  });

  it("a planned move is a hand-over: the successor prepares while the old one runs, then holder and term change at once", async () => {
    const log: string[] = [];
    const prepared = gate();
    const refusals: unknown[] = [];
    const handler = (id: string): ServiceHandler => ({
      type: "mover",
      async prepare() {
        log.push(`${id} prepares`);
        await prepared.promise;
      },
      async run(service) {
        log.push(`${id} runs under ${service.term}`);
        await untilAborted(service.signal);
        // The old one believes a moment longer that it is the one.
        await rig.pool
          .query(
            "SELECT work_queue.assert_service($1, (SELECT incarnation FROM work_queue.holder WHERE id = $2), $3)",
            ["mover", id, service.term],
          )
          .catch((error: unknown) => refusals.push(error));
        log.push(`${id} ends`);
      },
    });
    await rig.worker({ holder: { id: "a" }, handlers: [], services: host(handler("a")) });
    await rig.work.services.define({ name: "mover", queue: "SERVICES" });
    await eventually(() => log.includes("a runs under 1"));
    const b = await rig.worker({ holder: { id: "b" }, handlers: [], services: host(handler("b")) });
    expect(await rig.work.services.place("mover", { placedOn: "b", successor: b.incarnation as string, term: 4 })).toBe(
      true,
    );
    await eventually(() => log.includes("b prepares"));
    expect(await serviceNamed("mover")).toMatchObject({ term: 1, appServer: "a", successor: b.incarnation });
    prepared.open();
    await eventually(() => log.includes("b runs under 2") && log.includes("a ends"));
    expect(await serviceNamed("mover")).toMatchObject({ term: 2, appServer: "b", placedOn: "b" });
    expect(refusals).toEqual([expect.objectContaining({ code: "UQ003" })]);
    expect(await rig.work.services.place("mover", { placedOn: "a", term: 3 })).toBe(false);
  });

  it("a service that throws or ends is started again; one that always fails here goes to another worker", async () => {
    let runs = 0;
    const failures: string[] = [];
    const a = await rig.worker({
      holder: { id: "a" },
      handlers: [],
      services: host({
        type: "fragile",
        async run() {
          if (++runs === 2) return;
          throw new Error(`broken ${runs}`);
        },
      }),
    });
    a.on("serviceFailed", ({ error }) => failures.push(error.message));
    await rig.work.services.define({ name: "fragile", queue: "SERVICES" });
    await eventually(() => runs >= 3, { withinMs: 15_000 });
    expect(failures[1]).toMatch(/ended by itself/);
    await rig.worker({
      holder: { id: "b" },
      handlers: [],
      services: host({ type: "fragile", run: ({ signal }) => untilAborted(signal) }),
    });
    await eventually(async () => (await serviceNamed("fragile"))?.appServer === "b", { withinMs: 20_000 });
  }, 45_000);

  it("pausing ends its instance, resuming starts it, removing ends it for good", async () => {
    let running = 0;
    await rig.worker({
      handlers: [],
      services: host({
        type: "paused",
        async run({ signal }) {
          running++;
          await untilAborted(signal);
          running--;
        },
      }),
    });
    await rig.work.services.define({ name: "paused", queue: "SERVICES" });
    await eventually(() => running === 1);
    await rig.work.services.pause("paused");
    await eventually(() => running === 0);
    await rig.work.services.resume("paused");
    await eventually(() => running === 1);
    await rig.work.services.remove("paused");
    await eventually(() => running === 0);
  });

  it("schedules: five workers fire each due time once, through losses of workers", async () => {
    const tick = defineJob<null>({ queue: queueName, type: "tick", restartable: true });
    const workers = await Promise.all(
      ["a", "b", "c", "d", "e"].map((id) =>
        rig.worker({ holder: { id }, handlers: [tick.handledBy(() => undefined)] }),
      ),
    );
    await rig.work.schedules.define(tick, { name: "every-second", cron: "* * * * * *", missed: "all", payload: null });
    await eventually(async () => (await rig.work.jobs.list({ type: "tick" })).length >= 2);
    for (const worker of workers.slice(0, 4)) {
      await rig.work.holders.loseHolder(worker.incarnation as string, { reason: "drill" });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    await eventually(async () => (await rig.work.jobs.list({ type: "tick" })).length >= 5);
    await rig.work.schedules.pause("every-second");
    const { rows } = await rig.pool.query<{ due: Date; job: string }>(
      "SELECT due, job FROM work_queue.schedule_firing ORDER BY due",
    );
    const seconds = rows.map(({ due }) => due.getTime() / 1_000);
    expect(seconds).toEqual(seconds.map((_, n) => (seconds[0] as number) + n));
    const jobs = await rig.work.jobs.list({ type: "tick", limit: 1_000 });
    expect(jobs.map(({ id }) => id).toSorted()).toEqual(rows.map(({ job }) => job).toSorted());
    expect((await rig.work.schedules.list())[0]).toMatchObject({ name: "every-second", isPaused: true, missed: "all" });
  });

  it.each([
    ["skip", 0],
    ["once", 1],
    ["all", 4],
  ] as const)("missed firings, %s: of four missed due times %i are fired", async (missed, expected) => {
    const nightly = defineJob<null>({ queue: queueName, type: "nightly", restartable: true });
    await rig.work.schedules.define(nightly, {
      name: "nightly",
      cron: "0 3 * * *",
      timeZone: "Europe/Berlin",
      missed,
      payload: null,
    });
    // Nobody was there for four nights.
    await rig.pool.query("UPDATE work_queue.schedule SET next_due = next_due - interval '4 days'");
    await rig.worker({ handlers: [nightly.handledBy(() => undefined)] });
    await eventually(async () => {
      const { rows } = await rig.pool.query("SELECT next_due > now() AS done FROM work_queue.schedule");
      return rows[0].done === true;
    });
    expect((await rig.work.jobs.list({ type: "nightly" })).length).toBe(expected);
  });

  it("a pattern or zone that cannot be read is refused when the schedule is defined", async () => {
    const any = defineJob<null>({ queue: queueName, type: "any", restartable: true });
    const define = (cron: string, timeZone: string) =>
      rig.work.schedules.define(any, { name: "x", cron, timeZone, payload: null });
    await expect(define("every day", "UTC")).rejects.toThrow(/is no schedule/);
    await expect(define("0 3 * * *", "Europe/Atlantis")).rejects.toThrow(/is no schedule/);
  });
});
