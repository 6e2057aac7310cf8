import {
  cancelJob,
  enqueueJob,
  listJobs,
  restartJob,
  retryJobs,
  setQueuePaused,
  showJob,
  workQueues,
  workSchedules,
  workServices,
  type JobView,
  type QueueFiguresView,
  type RequestContract,
} from "@understudy/contracts";
import { CallerError, toWire } from "@understudy/runtime/errors";
import type { z } from "zod";
import { LocalCluster } from "./local-cluster.ts";

const id = "01980f2e-7a58-7d20-9b6a-54c9a3b1c0de";
const job: JobView = {
  id,
  queue: "MASSJOBS",
  type: "orders.deliver",
  state: "aborted",
  attempts: 2,
  appServer: "app-server-b",
  incarnation: "01980f2e-7a58-7d20-9b6a-54c9a3b1c0df",
  reason: "app-server-b was declared lost",
  enqueuedAt: "2026-11-23T09:30:00.000Z",
};
const queue: QueueFiguresView = {
  name: "MASSJOBS",
  kind: "jobs",
  isPaused: false,
  ready: 3,
  delayed: 1,
  waiting: 0,
  running: 2,
  parked: 0,
  failed: 0,
  aborted: 1,
  cancelled: 0,
  oldestReadyMs: 1_500,
  recent: { completed: 10, medianMs: 40, p95Ms: 900 },
};

describe("commands about background work", () => {
  let cluster: LocalCluster;
  const asked: { subject: string; request: unknown }[] = [];
  const understudy = (...argv: readonly string[]) => cluster.understudy(...argv);
  const json = async (...argv: readonly string[]): Promise<unknown> => {
    const { exitCode, out, err } = await understudy(...argv, "--format", "json");
    expect(err).toBe("");
    expect(exitCode).toBe(0);
    return JSON.parse(out);
  };

  beforeAll(async () => {
    cluster = await LocalCluster.start();
    const connection = await cluster.nats.connect("app-server");
    /** As an app server answers. */
    const serve = <Request extends z.ZodType, Reply extends z.ZodType>(
      contract: RequestContract<Request, Reply>,
      answer: (request: z.infer<Request>) => z.input<Reply>,
    ) =>
      connection.subscribe(contract.subject, {
        callback: (error, message) => {
          if (error) return;
          const envelope = message.json<{ id: string; data: unknown }>();
          try {
            const request = contract.request.parse(envelope.data);
            asked.push({ subject: contract.subject, request });
            message.respond(JSON.stringify({ id: envelope.id, response: answer(request), isDisposed: true }));
          } catch (cause) {
            message.respond(JSON.stringify({ id: envelope.id, err: toWire(cause), isDisposed: true }));
          }
        },
      });
    serve(listJobs, () => ({ jobs: [job] }));
    serve(showJob, () => ({ job }));
    serve(enqueueJob, (request) => ({ job: { ...job, ...request, state: "queued" as const, attempts: 0 } }));
    serve(cancelJob, () => ({ job: { ...job, state: "cancelled" as const } }));
    serve(restartJob, () => {
      throw new CallerError("conflict", "Job is completed and cannot be restarted.");
    });
    serve(retryJobs, () => ({ ids: [id] }));
    serve(workQueues, () => ({ queues: [queue] }));
    serve(setQueuePaused, ({ queue: name, isPaused }) => {
      if (name !== queue.name) throw new CallerError("not-found", `There is no queue "${name}".`);
      return { queue: { ...queue, isPaused } };
    });
    serve(workServices, () => ({
      services: [{ name: "stock.watch", queue: "SERVICES", type: "stock.watch", isPaused: false, term: 4 }],
    }));
    serve(workSchedules, () => ({
      schedules: [
        {
          name: "deliveries",
          queue: "MASSJOBS",
          type: "orders.deliver",
          cron: "*/10 * * * *",
          timeZone: "UTC",
          missed: "once" as const,
          isPaused: false,
          nextDue: "2026-11-23T09:40:00.000Z",
        },
      ],
    }));
    await connection.flush();
  });
  beforeEach(() => void asked.splice(0));
  afterAll(() => cluster.stop());

  it("jobs list and show tell where, how often and why", async () => {
    expect(await json("jobs", "list", "--state", "aborted", "--queue", "MASSJOBS")).toMatchObject({ jobs: [{ id }] });
    expect(asked[0]?.request).toEqual({ state: "aborted", queue: "MASSJOBS", limit: 50 });
    expect((await understudy("jobs", "show", id)).out).toMatch(/app-server-b was declared lost/);
    expect((await understudy("jobs", "list", "--state", "asleep")).exitCode).toBe(1);
    expect((await understudy("jobs", "show", "seven")).err).toContain("is no id of a job");
  });

  it("jobs enqueue checks what it is given and makes the id", async () => {
    const payload = '{"batches":5}';
    expect(
      await json("jobs", "enqueue", "MASSJOBS", "orders.deliver", "--payload", payload, "--delay", "2h"),
    ).toMatchObject({ job: { state: "queued" } });
    expect(asked[0]?.request).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      queue: "MASSJOBS",
      payload: { batches: 5 },
      delayMs: 7_200_000,
    });
    expect((await understudy("jobs", "enqueue", "MASSJOBS", "a", "--payload", "{")).err).toContain("not JSON");
  });

  it("jobs cancel, restart and retry-all say what became of them", async () => {
    expect((await understudy("jobs", "cancel", id)).out).toContain("is cancelled");
    const refused = await understudy("jobs", "restart", id);
    expect([refused.exitCode, refused.err]).toEqual([1, expect.stringContaining("cannot be restarted")]);
    expect((await understudy("jobs", "retry-all", "--dry-run")).out).toContain("1 would be restarted");
    expect(asked.at(-1)?.request).toMatchObject({ states: ["failed", "aborted"], isDryRun: true });
    expect(await json("jobs", "retry-all", "--state", "parked")).toEqual({ ids: [id], isDryRun: false });
  });

  it("queues, services and schedules are tables and data", async () => {
    const { out } = await understudy("queues");
    expect(out).toMatch(/MASSJOBS\s+3\s+1\.5 s\s+1\s+2\s+0\s+1\s+0\s+40 ms\s+900 ms/);
    expect(await json("queues")).toEqual({ queues: [queue] });
    expect((await understudy("services")).out).toMatch(/stock\.watch\s+SERVICES\s+nobody\s+4/);
    expect(await json("schedules")).toMatchObject({ schedules: [{ name: "deliveries" }] });
  });

  it("queues pause and resume name what there is when the queue is unknown", async () => {
    expect((await understudy("queues", "pause", "MASSJOBS", "--reason", "month end")).out).toContain("is paused");
    expect(asked[0]?.request).toEqual({ queue: "MASSJOBS", isPaused: true, reason: "month end" });
    expect((await understudy("queues", "resume", "MASSJOBS")).out).toContain("goes on");
    const { exitCode, err } = await understudy("queues", "pause", "MASSJOB");
    expect([exitCode, err]).toEqual([1, expect.stringContaining("MASSJOBS")]);
  });
});
