import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { Pool, request } from "undici";
import { eventually } from "@understudy/testkit";
import { httpBackend, rawBackend, type Backend } from "./backends.ts";
import { sendRaw } from "./raw-client.ts";
import { Rig } from "./rig.ts";

interface Echo {
  backend: string;
  method: string;
  url: string;
  headers: string[];
  body: string;
}
const field = (echo: Echo, name: string): string[] =>
  echo.headers.filter((_, index) => index % 2 === 1 && echo.headers[index - 1]?.toLowerCase() === name);

describe("forwarding", () => {
  let backend: Backend;
  let rig: Rig;
  beforeAll(async () => {
    backend = await httpBackend();
    rig = await Rig.start([backend]);
  });
  afterAll(() => rig.stop());

  it("passes method, path, query, fields and body, and says where the request came from", async () => {
    const { statusCode, body, headers } = await request(`${rig.url}/api/orders?x=1&y=%20`, {
      method: "POST",
      headers: { "x-mine": "yes", "x-forwarded-for": "10.1.1.1", "x-forwarded-proto": "https", cookie: "a=b" },
      body: "hello",
    });
    expect(statusCode).toBe(200);
    expect(headers["content-type"]).toBe("application/json");
    const echo = (await body.json()) as Echo;
    expect(echo).toMatchObject({ method: "POST", url: "/api/orders?x=1&y=%20", body: "hello" });
    expect(field(echo, "host")).toEqual([`127.0.0.1:${rig.port}`]);
    expect(field(echo, "x-forwarded-host")).toEqual([`127.0.0.1:${rig.port}`]);
    expect(field(echo, "x-forwarded-for")).toEqual(["10.1.1.1, 127.0.0.1"]);
    expect(field(echo, "x-forwarded-proto")).toEqual(["http"]);
    expect(field(echo, "x-forwarded-port")).toEqual([String(rig.port)]);
    expect(field(echo, "x-request-id")[0]).toMatch(/^\S+$/);
    expect(field(echo, "via")).toEqual(["1.1 understudy"]);
    expect(field(echo, "x-mine")).toEqual(["yes"]);
    expect(field(echo, "cookie")).toEqual(["a=b"]);
  });

  it("keeps the fields of one connection on it, also those that Connection names", async () => {
    const { text } = await sendRaw(
      rig.port,
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Authorization: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nX-Request-Id: mine-1\r\n\r\n",
    );
    const echo = JSON.parse(text.slice(text.indexOf("{"))) as Echo;
    for (const name of ["x-secret", "keep-alive", "te", "proxy-authorization", "upgrade", "http2-settings"]) {
      expect(field(echo, name)).toEqual([]);
    }
    expect(field(echo, "x-request-id")).toEqual(["mine-1"]);
  });

  it("passes a long body through and a chunked one too", async () => {
    const long = "x".repeat(700_000);
    const known = await request(`${rig.url}/`, { method: "POST", body: long });
    expect(((await known.body.json()) as Echo).body.length).toBe(700_000);
    const chunked = await request(`${rig.url}/`, {
      method: "POST",
      body: Readable.from(Array.from({ length: 50 }, () => Buffer.alloc(10_000, 120))),
    });
    expect(((await chunked.body.json()) as Echo).body.length).toBe(500_000);
    const short = await sendRaw(
      rig.port,
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer-Field: gone\r\n\r\n",
    );
    const echo = JSON.parse(short.text.slice(short.text.indexOf("{"))) as Echo;
    expect(echo.body).toBe("abcde");
    expect(field(echo, "content-length")).toEqual(["5"]);
    expect(field(echo, "trailer-field")).toEqual([]);
  });

  it("refuses a body beyond the limit with 413, told or found out, and goes on with the connection", async () => {
    const before = backend.count;
    const told = await request(`${rig.url}/`, { method: "POST", body: Buffer.alloc(1_048_577) });
    expect(told.statusCode).toBe(413);
    expect(await told.body.json()).toMatchObject({ status: 413 });
    expect(backend.count).toBe(before);
    const found = await request(`${rig.url}/`, {
      method: "POST",
      body: Readable.from(Array.from({ length: 110 }, () => Buffer.alloc(10_000))),
    });
    expect(found.statusCode).toBe(413);
    await found.body.dump();
  });

  it("answers 100-continue before a body, 413 instead when it is too long, 417 to other expectations", async () => {
    const head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
    const good = await sendRaw(rig.port, [`${head}Content-Length: 3\r\n\r\n`, "abc"]);
    expect(good.statuses).toEqual([100, 200]);
    const long = await sendRaw(rig.port, `${head}Content-Length: 9999999\r\n\r\n`);
    expect(long.statuses).toEqual([413]);
    expect(long.closed).toBe(true);
    const odd = await sendRaw(rig.port, "GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n");
    expect(odd.statuses).toEqual([417]);
  });

  it("serves pipelined requests in order, and HTTP/1.0 with a closed end", async () => {
    const three = ["/1", "/2", "/3"].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");
    const { text, statuses } = await sendRaw(rig.port, three, { answers: 3 });
    expect(statuses).toEqual([200, 200, 200]);
    expect([...text.matchAll(/"url":"(\/\d)"/g)].map((match) => match[1])).toEqual(["/1", "/2", "/3"]);
    const old = await sendRaw(rig.port, "GET /old HTTP/1.0\r\n\r\n");
    expect(old.statuses).toEqual([200]);
    expect(old.closed).toBe(true);
  });
});

describe("answers", () => {
  let backend: Backend;
  let rig: Rig;
  let aborted = 0;
  /** Of the big answer: megabytes that the app server has not written yet. */
  let left = 50;
  beforeAll(async () => {
    backend = await httpBackend((incoming, response) => {
      switch (incoming.url) {
        case "/204":
          response.writeHead(204).end();
          break;
        case "/304":
          response.writeHead(304, { etag: '"1"' }).end();
          break;
        case "/hop":
          response.writeHead(200, { connection: "X-Private", "x-private": "1", "x-public": "2", "keep-alive": "x=1" });
          response.end("ok");
          break;
        case "/hints":
          response.writeEarlyHints({ link: "</a.css>; rel=preload" });
          response.end("after hints");
          break;
        case "/cookies":
          response.writeHead(200, [
            ["Set-Cookie", "a=1"],
            ["Set-Cookie", "b=2"],
          ]);
          response.end("ok");
          break;
        case "/stream":
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.write("data: 1\n\n");
          response.once("close", () => aborted++);
          break;
        case "/big": {
          response.writeHead(200, { "content-length": 50_000_000 });
          const chunk = Buffer.alloc(1_000_000, 98);
          const write = () => {
            while (left > 0) {
              left--;
              if (!response.write(chunk)) return response.once("drain", write);
            }
            return response.end();
          };
          write();
          break;
        }
        default:
          response.writeHead(200, { "content-length": 5 });
          response.end(incoming.method === "HEAD" ? undefined : "hello");
      }
    });
    rig = await Rig.start([backend]);
  });
  afterAll(() => rig.stop());

  it("without a body stay without one: HEAD, 204, 304", async () => {
    const head = await sendRaw(rig.port, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(head.text).toMatch(/content-length: 5\r\n/i);
    expect(head.text.endsWith("\r\n\r\n")).toBe(true);
    for (const status of [204, 304]) {
      const { statuses, text } = await sendRaw(rig.port, `GET /${status} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(statuses).toEqual([status]);
      expect(text.toLowerCase()).not.toMatch(/transfer-encoding|content-length/);
    }
  });

  it("leave the app server's connection fields behind and keep doubled fields", async () => {
    const { headers, body } = await request(`${rig.url}/hop`);
    await body.dump();
    expect(headers["x-private"]).toBeUndefined();
    expect(headers["x-public"]).toBe("2");
    expect(headers["keep-alive"]).not.toBe("x=1");
    const cookies = await request(`${rig.url}/cookies`);
    await cookies.body.dump();
    expect(cookies.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
  });

  it("come without the interim ones before them", async () => {
    const { statuses, text } = await sendRaw(rig.port, "GET /hints HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(statuses).toEqual([200]);
    expect(text).toContain("after hints");
  });

  it("that never end reach the user at once, and end at the app server when the user leaves", async () => {
    const { body } = await request(`${rig.url}/stream`);
    const [first] = (await once(body, "data")) as [Buffer];
    expect(first.toString()).toBe("data: 1\n\n");
    expect(aborted).toBe(0);
    body.on("error", () => undefined).destroy();
    await eventually(() => aborted === 1, { describe: "the app server sees the end" });
    expect(rig.balancer.counters.inWork).toBe(0);
  });

  it("that are long wait for a slow user instead of filling memory", async () => {
    const socket = connect(rig.port, "127.0.0.1").pause();
    socket.write("GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let before = Number.NaN;
    await eventually(
      async () => {
        const stands = left < 50 && left === before;
        before = left;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return stands;
      },
      { describe: "the app server has to wait" },
    );
    // What fits into the socket buffers of both connections is on its way, nothing near the whole.
    expect(left).toBeGreaterThan(20);
    let bytes = 0;
    for await (const chunk of socket) bytes += (chunk as Buffer).length;
    expect(bytes).toBeGreaterThan(50_000_000);
  });
});

describe("misbehaving app servers", () => {
  const cases: [string, string, number][] = [
    ["no HTTP at all", "hello\r\n\r\n", 502],
    [
      "both length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      502,
    ],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 502],
    ["huge header fields", `HTTP/1.1 200 OK\r\nX-Huge: ${"h".repeat(40_000)}\r\nContent-Length: 0\r\n\r\n`, 502],
    ["a blank in a field name", "HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Length: 0\r\n\r\n", 502],
    [
      "an upgrade that nobody asked for",
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
      503,
    ],
  ];
  it.each(cases)("%s becomes an answer of the balancer's own", async (_name, answer, status) => {
    const backend = await rawBackend((socket, received) => {
      if (received.includes("\r\n\r\n")) socket.end(answer);
    });
    const rig = await Rig.start([backend]);
    rig.settings.holdMs = 600;
    try {
      const response = await request(rig.url);
      expect(response.statusCode).toBe(status);
      expect(await response.body.json()).toMatchObject({ status });
    } finally {
      await rig.stop();
    }
  });

  it("that break off a long answer leave a broken answer, never one that looks whole", async () => {
    const backend = await rawBackend((socket, received) => {
      if (!received.includes("\r\n\r\n")) return;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${"a".repeat(50_000)}`, () =>
        socket.resetAndDestroy(),
      );
    });
    const rig = await Rig.start([backend]);
    try {
      const { statusCode, body } = await request(rig.url);
      expect(statusCode).toBe(200);
      await expect(body.text()).rejects.toThrow();
    } finally {
      await rig.stop();
    }
  });

  it("that answer early do not lose their answer while the user still sends", async () => {
    const backend = await httpBackend((_incoming, response) => {
      response.writeHead(401, { "content-length": 2 }).end("no");
    });
    const rig = await Rig.start([backend]);
    const pool = new Pool(rig.url);
    try {
      const { statusCode, body } = await pool.request({ path: "/", method: "POST", body: Buffer.alloc(900_000) });
      expect(statusCode).toBe(401);
      expect(await body.text()).toBe("no");
    } finally {
      await pool.destroy();
      await rig.stop();
    }
  });
});
