import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { OrderLoad } from "./order-load.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An order entry by script: each POST is answered by the next of `answers`, then always by the last. */
class ScriptedEntry {
  readonly keys: string[] = [];
  readonly bodies: string[] = [];
  readonly #server: Server;

  constructor(private answers: Answer[]) {
    this.#server = createServer((request, response) => {
      if (request.method === "GET") {
        response.setHeader("content-type", "application/json").end('{"items":[{"id":1},{"id":2}]}');
        return;
      }
      this.keys.push(String(request.headers["idempotency-key"]));
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        this.bodies.push(body);
        const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
        answer?.(request, response);
      });
    });
  }

  answerFromNowOn(answer: Answer): void {
    this.answers = [answer];
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const answered =
  (status: number, body: object): Answer =>
  (_request, response) =>
    void response.writeHead(status).end(JSON.stringify(body));
const placed = answered(201, { id: "order-1" });
const broken: Answer = (request) => void request.socket.destroy();
const silent: Answer = () => undefined;

async function run(
  answers: Answer[],
  orders: number,
  options: { attemptTimeoutMs?: number; orderDeadlineMs?: number } = {},
) {
  const entry = new ScriptedEntry(answers);
  const load = new OrderLoad({ url: await entry.start(), clients: 1, ...options });
  try {
    await load.start();
    for (let tries = 0; load.records.length < orders && tries < 2_000; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { entry, load, report: await load.stop() };
  } finally {
    await entry.stop();
  }
}

describe("OrderLoad", () => {
  it("repeats an order with the same key and body when the connection breaks", async () => {
    const { entry, report } = await run([broken, answered(503, {}), answered(504, {}), placed], 1);
    expect(new Set(entry.keys.slice(0, 4)).size).toBe(1);
    expect(new Set(entry.bodies.slice(0, 4)).size).toBe(1);
    expect(report.records[0]).toMatchObject({ attempts: 4, outcome: "acknowledged" });
    expect(report.reasons).toMatchObject({ ECONNRESET: 1, "status 503": 1, "status 504": 1 });
  });

  it("takes a new key for each order", async () => {
    const { entry, report } = await run([placed], 20);
    expect(new Set(entry.keys).size).toBe(entry.keys.length);
    expect(report.acknowledged).toBe(report.orders);
  });

  it("gives up an attempt without an answer, and the order at its deadline, its outcome unknown", async () => {
    const { load, report } = await run([silent], 1, { attemptTimeoutMs: 50, orderDeadlineMs: 300 });
    const [record] = report.records;
    expect(record).toMatchObject({ outcome: "unknown" });
    expect(record?.attempts).toBeGreaterThan(1);
    expect(record?.ms).toBeGreaterThan(50);
    expect(load.ledger.open.size).toBe(report.unknown);
  });

  it("does not repeat what is refused", async () => {
    const { load, report } = await run([answered(422, {})], 1);
    expect(report.records[0]).toMatchObject({ attempts: 1, outcome: "refused" });
    expect(load.ledger.open.size).toBe(0);
  });

  it("counts a 500 as unknown without repeating it: nobody said that this may pass", async () => {
    const { report } = await run([answered(500, {})], 1);
    expect(report.records[0]).toMatchObject({ attempts: 1, outcome: "unknown" });
  });

  it("asks again for outcomes that nobody learned", async () => {
    const entry = new ScriptedEntry([silent]);
    const load = new OrderLoad({ url: await entry.start(), clients: 2, attemptTimeoutMs: 30, orderDeadlineMs: 60 });
    try {
      await load.start();
      await load.stop();
      const open = load.ledger.open.size;
      expect(open).toBeGreaterThan(0);
      entry.answerFromNowOn(placed);
      expect(await load.resolveOpen()).toBe(0);
      expect(load.ledger.acknowledged.size).toBe(open);
    } finally {
      await entry.stop();
    }
  });

  it("makes orders by the specification: 5 to 15 positions of 1 to 10 pieces", async () => {
    const { entry } = await run([placed], 50);
    for (const text of entry.bodies) {
      const { positions } = JSON.parse(text) as { positions: { quantity: number }[] };
      expect(positions.length).toBeGreaterThanOrEqual(5);
      expect(positions.length).toBeLessThanOrEqual(15);
      expect(positions.every(({ quantity }) => quantity >= 1 && quantity <= 10)).toBe(true);
    }
  });
});
