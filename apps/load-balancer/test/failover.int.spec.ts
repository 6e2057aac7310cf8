import { Pool, request, type Dispatcher } from "undici";
import { eventually } from "@understudy/testkit";
import { deafBackend, httpBackend, rawBackend, readAll, type Backend } from "./backends.ts";
import { Rig, type ServerOverride } from "./rig.ts";

const keyed = (key: string) => ({ method: "POST", headers: { "idempotency-key": key }, body: "{}" }) as const;
const named = (name: string) => httpBackend((_incoming, response) => void response.end(name));
const closing = () =>
  rawBackend((socket, received) => {
    if (received.includes("\r\n\r\n")) socket.destroy();
  });
/** Takes connections and requests, never answers. */
const mute = () => rawBackend(() => undefined);
/** First choice while nothing is in work: the table's other servers look loaded. */
const first: ServerOverride = { load: 0 };
const second: ServerOverride = { load: 50 };

describe("an app server that fails", () => {
  let rig: Rig;
  let good: Backend;
  const others: Backend[] = [];
  const start = async (bad: Backend, override = {}) => {
    good = await named("good");
    others.push(good, bad);
    rig = await Rig.start([], override);
    rig.route([bad, first], [good, second]);
  };
  afterEach(async () => {
    await rig.stop();
    await Promise.all(others.splice(0).map((backend) => backend.kill()));
  });

  it("by refusing connections costs no request, whatever its method, and is left out for a while", async () => {
    const bad = await named("bad");
    await bad.kill();
    await start(bad);
    for (const method of ["GET", "POST", "PATCH", "DELETE"] as const) {
      const { statusCode, body } = await request(rig.url, { method });
      expect([statusCode, await body.text()]).toEqual([200, "good"]);
    }
    const { attempts, repeats } = rig.balancer.counters;
    // Fewer refusals than requests: it was left out in between.
    expect(repeats.refused).toBeGreaterThanOrEqual(1);
    expect(attempts).toBe(4 + repeats.refused);
    await bad.revive();
    await eventually(async () => (await (await request(rig.url)).body.text()) === "bad", {
      describe: "it is used again",
    });
  });

  it("by swallowing connection attempts costs only the connect time-out", async () => {
    const bad = await deafBackend();
    await start(bad, { connectTimeoutMs: 200, attemptMs: 60_000 });
    const { statusCode, body } = await request(rig.url, { method: "POST", body: "x" });
    expect([statusCode, await body.text()]).toEqual([200, "good"]);
    expect(rig.balancer.counters.repeats.refused).toBe(1);
  });

  it("by closing before an answer is repeated for GET and for keyed POST only", async () => {
    await start(await closing());
    const get = await request(rig.url);
    expect(await get.body.text()).toBe("good");
    await eventually(() => rig.balancer.upstreams.choose(performance.now())?.id === "app-server-a");
    const post = await request(rig.url, keyed("k1"));
    expect(await post.body.text()).toBe("good");
    await eventually(() => rig.balancer.upstreams.choose(performance.now())?.id === "app-server-a");
    const bare = await request(rig.url, { method: "POST", body: "{}" });
    expect(bare.statusCode).toBe(502);
    expect(bare.headers["content-type"]).toBe("application/problem+json");
    expect(((await bare.body.json()) as { detail: string }).detail).toContain("unknown");
    expect(rig.balancer.counters.repeats.broken).toBe(2);
  });

  it("by closing in the middle of a short answer is repeated too: nothing of it had gone to the user", async () => {
    const bad = await rawBackend((socket, received) => {
      if (received.includes("\r\n\r\n")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    await start(bad);
    const { statusCode, body } = await request(rig.url);
    expect([statusCode, await body.text()]).toEqual([200, "good"]);
  });

  it("by saying that it did not begin is passed over for any method; 'interrupted' only where it may be repeated", async () => {
    let header = "understudy-not-taken";
    const bad = await httpBackend((_incoming, response) => {
      response.writeHead(503, { [header]: "1" }).end("no");
    });
    await start(bad);
    const post = await request(rig.url, { method: "POST", body: "{}" });
    expect([post.statusCode, await post.body.text()]).toEqual([200, "good"]);
    header = "understudy-interrupted";
    await eventually(() => rig.balancer.upstreams.choose(performance.now())?.id === "app-server-a");
    const again = await request(rig.url, keyed("k2"));
    expect([again.statusCode, await again.body.text()]).toEqual([200, "good"]);
    await eventually(() => rig.balancer.upstreams.choose(performance.now())?.id === "app-server-a");
    expect((await request(rig.url, { method: "POST", body: "{}" })).statusCode).toBe(502);
  });

  it("an application's own 503 is an answer like any other", async () => {
    const bad = await httpBackend((_incoming, response) => {
      response.writeHead(503, { "retry-after": "7" }).end("busy");
    });
    await start(bad);
    const { statusCode, headers, body } = await request(rig.url);
    expect([statusCode, headers["retry-after"], await body.text()]).toEqual([503, "7", "busy"]);
  });

  it("by falling silent has its repeatable requests sent to another one too", async () => {
    await start(await mute(), { attemptMs: 300 });
    const { statusCode, body } = await request(rig.url);
    expect([statusCode, await body.text()]).toEqual([200, "good"]);
    expect(rig.balancer.counters.repeats.hedged).toBe(1);
  });

  it("a slow answer of a server that speaks is waited for", async () => {
    const bad = await httpBackend((incoming, response) => {
      setTimeout(() => response.end("slow"), incoming.url === "/slow" ? 1_000 : 0);
    });
    await start(bad, { attemptMs: 300 });
    const slow = request(`${rig.url}/slow`).then(({ body }) => body.text());
    const state = { isDone: false };
    void slow.finally(() => (state.isDone = true));
    while (!state.isDone) await (await request(`${rig.url}/quick`)).body.dump();
    expect(await slow).toBe("slow");
    expect(rig.balancer.counters.repeats.hedged).toBe(0);
  });

  it.each(["suspect", "removed"] as const)(
    "once %s in the table, its repeatable requests are answered by another one without waiting for a time-out",
    async (state) => {
      const bad = await mute();
      await start(bad, { attemptMs: 60_000 });
      const waiting = request(rig.url, keyed("k3"));
      const bare = request(rig.url, { method: "POST", body: "{}" });
      await eventually(() => bad.count === 2);
      if (state === "suspect") rig.route([bad, { state: "suspect" }], [good, second]);
      else rig.offer([{ ...rig.routes.table!.servers[1]! }]);
      const { statusCode, body } = await waiting;
      expect([statusCode, await body.text()]).toEqual([200, "good"]);
      if (state === "removed") expect((await bare).statusCode).toBe(502);
      else rig.offer([{ ...rig.routes.table!.servers[1]! }]);
      expect((await bare).statusCode).toBe(502);
      expect(rig.balancer.counters.inWork).toBe(0);
    },
  );

  it("gives each request one answer, its own, when two servers answer it at about the same time", async () => {
    const slow = () =>
      httpBackend((incoming, response) => {
        setTimeout(() => response.end(incoming.url), 150 + Math.random() * 60);
      });
    const bad = await slow();
    const other = await slow();
    await start(bad);
    others.push(other);
    // Suspect ones only: every request is soon at both.
    rig.route([bad, { state: "suspect" }], [other, { state: "suspect" }]);
    const pool = new Pool(rig.url, { connections: 8 });
    const texts = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const { body } = await pool.request({ path: `/${index}`, method: "GET" });
        return body.text();
      }),
    );
    await pool.destroy();
    expect(texts).toEqual(Array.from({ length: 40 }, (_, index) => `/${index}`));
    expect(rig.balancer.counters.repeats.hedged).toBeGreaterThan(0);
    expect(rig.balancer.counters.answers[2]).toBe(40);
    expect(rig.balancer.upstreams.current.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    expect(rig.balancer.traffic.attempts.size).toBe(0);
  });

  it("a server that is taken out of the table and works gets its answers through", async () => {
    const bad = await httpBackend((_incoming, response) => {
      setTimeout(() => response.end("finished"), 400);
    });
    await start(bad);
    const waiting = request(rig.url, { method: "POST", body: "{}" });
    await eventually(() => bad.count === 1);
    rig.offer([{ ...rig.routes.table!.servers[1]! }]);
    expect(await (await waiting).body.text()).toBe("finished");
  });

  it("that breaks every server does not take the request all the way round", async () => {
    const bad = await Promise.all([closing(), closing(), closing(), closing(), closing(), closing()]);
    others.push(...bad);
    rig = await Rig.start(bad);
    const { statusCode } = await request(rig.url);
    expect(statusCode).toBe(503);
    expect(bad.reduce((sum, { count }) => sum + count, 0)).toBe(4);
    // None of them is closed to others by it.
    expect(rig.balancer.hasUsableServer).toBe(true);
  });
});

describe("load", () => {
  it("goes to accepting servers, the less loaded the more, never to draining ones", async () => {
    const backends = await Promise.all([0, 1, 2].map(() => httpBackend()));
    const [a, b, draining] = backends as [Backend, Backend, Backend];
    const rig = await Rig.start(backends);
    rig.route([a, { capacity: 300 }], [b, { capacity: 100 }], [draining, { state: "draining" }]);
    const pool = new Pool(rig.url, { connections: 40 });
    try {
      const one = async () => (await pool.request({ path: "/", method: "GET" })).body.dump();
      await Promise.all(
        Array.from({ length: 40 }, async () => {
          for (let round = 0; round < 25; round++) await one();
        }),
      );
      expect(a.count + b.count).toBe(1_000);
      expect(draining.count).toBe(0);
      expect(a.count).toBeGreaterThan(1.5 * b.count);
    } finally {
      await pool.destroy();
      await rig.stop();
    }
  });

  it.each([
    ["GET", undefined],
    ["POST", "keyed"],
  ] as const)("survives the kill of a server in use: no %s fails (%s)", async (method, key) => {
    const served: string[] = [];
    const backends = await Promise.all(
      [0, 1].map(() =>
        httpBackend((incoming, response) => {
          void readAll(incoming).then(
            () => {
              served.push(String(incoming.headers["idempotency-key"]));
              response.end("done");
            },
            () => undefined,
          );
        }),
      ),
    );
    const rig = await Rig.start(backends);
    const pool = new Pool(rig.url, { connections: 32 });
    const statuses = new Map<number, number>();
    try {
      let sent = 0;
      const load = { goesOn: true };
      const user = async () => {
        while (load.goesOn) {
          const number = sent++;
          const options: Dispatcher.RequestOptions =
            key === undefined ? { path: "/", method } : { path: "/", ...keyed(`key-${number}`) };
          const { statusCode, body } = await pool.request(options);
          await body.dump();
          statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
        }
      };
      const users = Promise.all(Array.from({ length: 32 }, user));
      const after = (count: number) => eventually(() => sent > count, { withinMs: 30_000 });
      for (let round = 1; round <= 3; round++) {
        const victim = backends[round % 2] as Backend;
        await after(sent + 300);
        await victim.kill();
        await after(sent + 300);
        await victim.revive();
      }
      await after(sent + 300);
      load.goesOn = false;
      await users;
      expect([...statuses.keys()]).toEqual([200]);
      expect(rig.balancer.counters.inWork).toBe(0);
      expect(rig.balancer.upstreams.current.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
    } finally {
      await pool.destroy();
      await rig.stop();
    }
  });
});
