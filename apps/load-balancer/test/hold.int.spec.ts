import { connect } from "node:net";
import { request } from "undici";
import { eventually } from "@understudy/testkit";
import { httpBackend, type Backend } from "./backends.ts";
import { sendRaw } from "./raw-client.ts";
import { Rig } from "./rig.ts";

describe("while no app server can serve", () => {
  let rig: Rig;
  let backend: Backend;
  const order: string[] = [];
  beforeEach(async () => {
    order.length = 0;
    backend = await httpBackend((incoming, response) => {
      order.push(incoming.url as string);
      response.end("served");
    });
    rig = await Rig.start();
  });
  afterEach(async () => {
    await rig.stop();
    await backend.kill();
  });
  const held = (count: number) => eventually(() => rig.balancer.traffic.held.size === count);

  it("requests of any method wait and go on in their order when one appears", async () => {
    const waiting: Promise<number>[] = [];
    for (let index = 0; index < 20; index++) {
      const method = index % 2 === 0 ? "GET" : "POST";
      waiting.push(request(`${rig.url}/${index}`, { method }).then(({ statusCode }) => statusCode));
      await held(index + 1);
    }
    rig.route(backend);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 20 }, () => 200));
    // One connection each, so the order of arrival may differ by a step or two; the first was not the last.
    expect(order.toSorted()).toEqual(Array.from({ length: 20 }, (_, index) => `/${index}`).toSorted());
    expect(rig.balancer.counters.held).toBe(20);
    expect(rig.balancer.traffic.held.size).toBe(0);
  });

  it("a request that waits too long is answered 503 with Retry-After", async () => {
    rig.settings.holdMs = 300;
    const { statusCode, headers, body } = await request(rig.url, { method: "POST", body: "x" });
    expect([statusCode, headers["retry-after"], headers["content-type"]]).toEqual([
      503,
      "1",
      "application/problem+json",
    ]);
    expect(await body.json()).toMatchObject({ status: 503, title: "Service Unavailable" });
    expect(rig.balancer.counters.holdExpired).toBe(1);
  });

  it("one more than may wait is answered 503 at once", async () => {
    rig.settings.holdRequests = 2;
    const waiting = [request(rig.url), request(rig.url)];
    await held(2);
    expect((await request(rig.url)).statusCode).toBe(503);
    rig.route(backend);
    for (const { statusCode } of await Promise.all(waiting)) expect(statusCode).toBe(200);
  });

  it("a user who goes away leaves the queue, and the request is never sent", async () => {
    const socket = connect(rig.port, "127.0.0.1");
    socket.write("GET /gone HTTP/1.1\r\nHost: x\r\n\r\n");
    await held(1);
    socket.destroy();
    await held(0);
    rig.route(backend);
    await (await request(`${rig.url}/next`)).body.dump();
    expect(order).toEqual(["/next"]);
  });

  it("draining servers do not count, and a server that refused is tried again without news of it", async () => {
    rig.route([backend, { state: "draining" }]);
    const waiting = request(rig.url);
    await held(1);
    await backend.kill();
    rig.route(backend);
    await eventually(() => rig.balancer.counters.repeats.refused > 0);
    await backend.revive();
    expect((await waiting).statusCode).toBe(200);
  });

  it("a body too long to keep waits with its user and goes through whole", async () => {
    const waiting = request(rig.url, { method: "POST", body: Buffer.alloc(500_000) });
    await held(1);
    rig.route(backend);
    expect((await waiting).statusCode).toBe(200);
  });
});

describe("acceptance", () => {
  it("is said with a usable server and fresh word only, not while draining", async () => {
    const backend = await httpBackend();
    const rig = await Rig.start();
    const said: boolean[] = [];
    rig.balancer.onAcceptance((accepts) => said.push(accepts));
    try {
      expect(rig.balancer.accepts).toBe(false);
      rig.route(backend);
      expect(rig.balancer.accepts).toBe(true);
      rig.route([backend, { state: "draining" }]);
      expect(rig.balancer.accepts).toBe(false);
      rig.route(backend);
      // No further word of the message server.
      await eventually(() => !rig.balancer.accepts, { describe: "it tells that its table is stale" });
      const { statusCode, headers, body } = await request(rig.url);
      expect(statusCode).toBe(200);
      expect(headers["connection"]).toBe("keep-alive");
      await body.dump();
      rig.route(backend);
      expect(rig.balancer.accepts).toBe(true);
      rig.balancer.beginDrain();
      expect(said).toEqual([true, false, true, false, true, false]);
    } finally {
      await rig.stop();
      await backend.kill();
    }
  });
});

describe("a drain", () => {
  it("lets pipelined requests all be answered before the connection ends", async () => {
    const backend = await httpBackend((incoming, response) => {
      setTimeout(() => response.end(incoming.url), { "/1": 300, "/2": 0, "/3": 600 }[incoming.url as string]);
    });
    const rig = await Rig.start([backend]);
    try {
      const three = ["/1", "/2", "/3"].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");
      const answers = sendRaw(rig.port, three, { answers: 3, settleMs: 2_000 });
      await eventually(() => backend.count === 3);
      rig.balancer.beginDrain();
      const { statuses, closed, text } = await answers;
      expect(statuses).toEqual([200, 200, 200]);
      expect(closed).toBe(true);
      expect(text.match(/connection: close/gi)).toHaveLength(1);
    } finally {
      await rig.stop();
      await backend.kill();
    }
  });
});
