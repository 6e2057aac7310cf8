import type { ApplicationContext } from "@understudy/runtime";
import { application } from "@understudy/order-entry";
import { checkConsistency } from "@understudy/order-entry/testing";
import { eventually, PostgresServer } from "@understudy/testkit";
import { Worker } from "@understudy/work-queue";
import { randomUUID } from "node:crypto";
import { type Answer, order, type OrderEntryHost, OrderEntryRig, smallest } from "./rig.ts";

let server: PostgresServer;
let rig: OrderEntryRig;
let host: OrderEntryHost;
let worker: Worker;

/** As an app server runs it. */
async function startWorker(context: ApplicationContext): Promise<Worker> {
  const work = application.work?.(context);
  if (work === undefined) throw new Error("the order entry has no background work");
  await work.define(context.queue);
  const started = new Worker({
    work: context.queue,
    holder: context.identity.ref,
    queues: [
      { name: "USERJOBS", concurrency: 4 },
      { name: "MASSJOBS", concurrency: 2 },
    ],
    handlers: work.handlers,
    services: { queue: "SERVICES", most: 2, handlers: work.services },
    guardedBy: "application",
    pollMs: 100,
    graceMs: 500,
  });
  await started.start();
  return started;
}

const post = async (path: string, body?: unknown): Promise<Answer> => {
  const answer = await fetch(`${host.url}${path}`, {
    method: "POST",
    ...(body !== undefined && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Answer["body"] };
};
const enqueue = async (body: object): Promise<string> => {
  const answer = await post("/api/jobs", body);
  expect(answer.status).toBe(201);
  return String(answer.body["id"]);
};
const reaches = (id: string, state: string): Promise<Record<string, unknown>> =>
  eventually(
    async () => {
      const { body } = await host.get(`/api/jobs/${id}`);
      if (body["state"] !== state) throw new Error(`it is ${JSON.stringify(body)}`);
      return body;
    },
    { withinMs: 20_000, describe: `job ${id} is ${state}` },
  );

beforeAll(async () => {
  server = await PostgresServer.start();
  rig = await OrderEntryRig.start(server, "background");
  host = await rig.host({ configuration: { ...smallest, UNDERSTUDY_ORDER_ENTRY_DRILLS: true } });
  worker = await startWorker(host.context);
});
afterAll(async () => {
  await worker?.stop({ drainMs: 200 });
  await rig?.stop();
  await server.remove();
});

describe("jobs over HTTP", () => {
  it("are enqueued, run, and tell where", async () => {
    const id = await enqueue({ queue: "USERJOBS", type: "drill.sleep", payload: { ms: 1, effect: "told" } });
    const job = await reaches(id, "completed");
    expect(job).toMatchObject({
      id,
      queue: "USERJOBS",
      type: "drill.sleep",
      attempts: 1,
      appServer: "app-server-a",
      incarnation: host.context.identity.incarnation,
    });
    const { rows } = await rig.pool.query("SELECT effect FROM drill_effects WHERE job_id = $1", [id]);
    expect(rows).toEqual([{ effect: "told" }]);
  });

  it("of one id are enqueued once", async () => {
    const id = randomUUID();
    const body = { id, queue: "USERJOBS", type: "drill.sleep", payload: { ms: 1, effect: "once" } };
    expect(await Promise.all([1, 2, 3].map(() => enqueue(body)))).toEqual([id, id, id]);
    await reaches(id, "completed");
    expect(await enqueue(body)).toBe(id);
    const { rows } = await rig.pool.query("SELECT effect FROM drill_effects WHERE job_id = $1", [id]);
    expect(rows).toHaveLength(1);
  });

  it("are listed by state, queue and type, in pages", async () => {
    const ids = [];
    for (let count = 0; count < 3; count++)
      ids.push(await enqueue({ queue: "MASSJOBS", type: "list.me", payload: null, delayMs: 60_000 }));
    const first = await host.get("/api/jobs?state=queued&queue=MASSJOBS&type=list.me&limit=2");
    expect(first.body.items.map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 2));
    const second = await host.get(`/api/jobs?type=list.me&limit=2&after=${String(first.body["next"])}`);
    expect(second.body.items.map(({ id }) => id)).toEqual(ids.slice(0, 1));
    expect(second.body).not.toHaveProperty("next");
  });

  it("are cancelled while they wait and while they run, and restarted by hand", async () => {
    const waiting = await enqueue({ queue: "USERJOBS", type: "drill.sleep", payload: { ms: 1 }, delayMs: 60_000 });
    expect((await post(`/api/jobs/${waiting}/cancel`, { reason: "not wanted" })).body).toMatchObject({
      state: "cancelled",
      reason: "not wanted",
    });
    expect((await post(`/api/jobs/${waiting}/cancel`)).status).toBe(409);
    const running = await enqueue({ queue: "USERJOBS", type: "drill.sleep", payload: { ms: 60_000 } });
    await reaches(running, "running");
    expect((await post(`/api/jobs/${running}/cancel`)).status).toBe(200);
    await reaches(running, "cancelled");
    expect((await post(`/api/jobs/${waiting}/restart`)).status).toBe(200);
    await reaches(waiting, "completed");
    expect((await post(`/api/jobs/${waiting}/restart`)).status).toBe(409);
  });

  it.each<[string, number, object]>([
    ["an unknown queue", 422, { queue: "NOPE", type: "drill.sleep" }],
    ["a payload that its schema refuses", 422, { queue: "USERJOBS", type: "drill.sleep", payload: { ms: "long" } }],
    ["a payload that is too large", 413, { queue: "USERJOBS", type: "any", payload: "x".repeat(100_000) }],
    ["no type", 400, { queue: "USERJOBS" }],
    ["a field that is not known", 400, { queue: "USERJOBS", type: "any", speed: 1 }],
    ["an id that is none", 400, { queue: "USERJOBS", type: "any", id: "one" }],
  ])("are refused as problems: %s", async (_what, status, body) => {
    const answer = await post("/api/jobs", body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ status, retryable: false });
  });

  it("of a unique key that is there are refused when asked to, and of no known id are not found", async () => {
    const body = { queue: "USERJOBS", type: "drill.sleep", payload: { ms: 1 }, delayMs: 60_000, uniqueKey: "one" };
    const id = await enqueue(body);
    expect(await enqueue(body)).toBe(id);
    expect((await post("/api/jobs", { ...body, ifExists: "reject" })).status).toBe(409);
    expect((await host.get(`/api/jobs/${randomUUID()}`)).status).toBe(404);
    expect((await post(`/api/jobs/${randomUUID()}/restart`)).status).toBe(404);
    expect((await host.get("/api/jobs?state=asleep")).status).toBe(400);
  });

  it("of a type that nobody knows are parked with the reason", async () => {
    const id = await enqueue({ queue: "USERJOBS", type: "unheard.of", payload: {} });
    expect((await reaches(id, "parked"))["reason"]).toMatch(/No worker knows/);
  });
});

describe("the order entry in the background", () => {
  it("confirms every order once, by a job that was enqueued with it", async () => {
    const placed = await Promise.all(
      Array.from({ length: 5 }, (_, index) => host.order(`confirm-${index}`, order(1 + index, [1, 1], [2, 3]))),
    );
    await Promise.all(placed.map(({ body }) => reaches(String(body["id"]), "completed")));
    const { rows } = await rig.pool.query<{ order_id: string; body: Record<string, unknown> }>(
      "SELECT order_id, body FROM order_entry.outbox WHERE kind = 'order-confirmation'",
    );
    expect(rows.map(({ order_id: id }) => id).sort()).toEqual(placed.map(({ body }) => String(body["id"])).sort());
    expect(rows[0]?.body).toMatchObject({ positions: 2 });
    expect(await checkConsistency(rig.pool)).toEqual([]);
  });

  it("leaves no confirmation of an order that was not placed", async () => {
    const before = (await rig.pool.query("SELECT id FROM work_queue.job")).rowCount;
    expect((await host.order("nobody", order(1_000_000, [1, 1]))).status).toBe(422);
    expect((await rig.pool.query("SELECT id FROM work_queue.job")).rowCount).toBe(before);
  });

  it("delivers in batches: the oldest order of each district, once", async () => {
    const count = async () =>
      Number((await rig.pool.query<{ n: string }>("SELECT count(*) AS n FROM order_entry.new_orders")).rows[0]?.n);
    const before = await count();
    // Two at once meet at the same rows.
    const ids = await Promise.all(
      [1, 2].map(() => enqueue({ queue: "MASSJOBS", type: "orders.deliver", payload: { batches: 2, carrierId: 7 } })),
    );
    const jobs = await Promise.all(ids.map((id) => reaches(id, "completed")));
    const delivered = jobs.reduce((sum, { result }) => sum + (result as { delivered: number }).delivered, 0);
    expect(delivered).toBeGreaterThan(0);
    expect(before - (await count())).toBe(delivered);
    expect(await checkConsistency(rig.pool)).toEqual([]);
  });

  it("reports the stock of each warehouse", async () => {
    const id = await enqueue({ queue: "MASSJOBS", type: "stock.report", payload: { day: "2026-11-23" } });
    expect((await reaches(id, "completed"))["result"]).toEqual({ day: "2026-11-23", warehouses: 1 });
    const { rows } = await rig.pool.query(
      `SELECT r.items, r.pieces::integer, (SELECT count(*)::integer FROM order_entry.stock) AS real_items,
              (SELECT sum(quantity)::integer FROM order_entry.stock) AS real_pieces
         FROM order_entry.stock_reports r`,
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ items: rows[0].real_items, pieces: rows[0].real_pieces });
  });

  it("watches the stock as a service, and knows its schedules", async () => {
    await eventually(async () => (await rig.pool.query("SELECT 1 FROM order_entry.stock_watches")).rows.length > 0, {
      withinMs: 10_000,
      describe: "the stock is watched",
    });
    const low = await rig.pool.query("SELECT 1 FROM order_entry.stock WHERE quantity <= 12");
    const alerts = await rig.pool.query("SELECT 1 FROM order_entry.stock_alerts");
    expect(alerts.rowCount).toBe(low.rowCount);
    expect((await host.context.queue.schedules.list()).map(({ name }) => name)).toEqual(["deliveries", "stock-report"]);
  });
});
