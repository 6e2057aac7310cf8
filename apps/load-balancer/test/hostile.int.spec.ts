/** Requests as bytes that no honest client sends: each must end in one clear refusal and reach no app server. */
import { connect } from "node:net";
import { eventually } from "@understudy/testkit";
import { httpBackend, rawBackend, type Backend } from "./backends.ts";
import { sendRaw } from "./raw-client.ts";
import { Rig } from "./rig.ts";

const get = (...fields: string[]) => `GET / HTTP/1.1\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`;
const post = (fields: string[], body: string) =>
  `POST / HTTP/1.1\r\nHost: x\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n${body}`;
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
const chunked = "Transfer-Encoding: chunked";

const refused: [string, string, number][] = [
  ["length and chunks together", post(["Content-Length: 5", chunked], `0\r\n\r\n${smuggled}`), 400],
  ["chunks and length together", post([chunked, "Content-Length: 5"], `0\r\n\r\n${smuggled}`), 400],
  ["two lengths that differ", post(["Content-Length: 5", "Content-Length: 6"], "abcdef"), 400],
  ["two lengths that agree", post(["Content-Length: 5", "Content-Length: 5"], "abcde"), 400],
  ["a list of lengths", post(["Content-Length: 5, 5"], "abcde"), 400],
  ["a length with a sign", post(["Content-Length: +5"], "abcde"), 400],
  ["a negative length", post(["Content-Length: -1"], "abcde"), 400],
  ["a hexadecimal length", post(["Content-Length: 0x5"], "abcde"), 400],
  ["a length beyond all numbers", post(["Content-Length: 99999999999999999999"], "abcde"), 400],
  ["an encoding in disguise (xchunked)", post(["Transfer-Encoding: xchunked"], `0\r\n\r\n${smuggled}`), 501],
  ["chunked not last", post(["Transfer-Encoding: chunked, identity"], `0\r\n\r\n${smuggled}`), 400],
  ["chunked twice", post([chunked, chunked], `0\r\n\r\n${smuggled}`), 400],
  ["another encoding before chunked", post(["Transfer-Encoding: gzip, chunked"], `0\r\n\r\n${smuggled}`), 501],
  ["a blank before the colon", post(["Transfer-Encoding : chunked"], `0\r\n\r\n${smuggled}`), 400],
  ["a folded field", post(["X-A: 1\r\n Transfer-Encoding: chunked"], `0\r\n\r\n${smuggled}`), 400],
  ["a vertical tab in a value", post(["Transfer-Encoding: \x0bchunked"], `0\r\n\r\n${smuggled}`), 400],
  ["chunks in HTTP/1.0", `POST / HTTP/1.0\r\nHost: x\r\n${chunked}\r\n\r\n0\r\n\r\n`, 400],
  ["a chunk size that is no number", post([chunked], "zz\r\nabc\r\n0\r\n\r\n"), 400],
  ["a negative chunk size", post([chunked], "-1\r\nabc\r\n0\r\n\r\n"), 400],
  ["a chunk longer than told", post([chunked], `3\r\nabcdef\r\n0\r\n\r\n${smuggled}`), 400],
  ["a chunk size beyond all numbers", post([chunked], "fffffffffffffffff\r\nabc\r\n"), 400],
  ["chunk ends of a line feed alone", post([chunked], `3\nabc\n0\n\n${smuggled}`), 400],
  ["a zero byte in a field", get("Host: x", "X-A: a\0b"), 400],
  ["a carriage return in a field", get("Host: x", "X-A: a\rb"), 400],
  ["a field name with a blank", get("Host: x", "X A: b"), 400],
  ["a field without a name", get("Host: x", ": b"), 400],
  ["a field without a colon", get("Host: x", "nonsense"), 400],
  ["no Host", get(), 400],
  ["two Hosts", get("Host: x", "Host: y"), 400],
  ["an empty Host", get("Host:"), 400],
  ["a Host with a path", get("Host: x/y"), 400],
  ["a Host with credentials", get("Host: user@x"), 400],
  ["two idempotency keys", get("Host: x", "Idempotency-Key: a", "Idempotency-Key: b"), 400],
  ["no HTTP", "nonsense\r\n\r\n", 400],
  ["HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["an unknown version", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400],
  ["an unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["TLS to the plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ["a target with a blank", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a target with raw bytes", "GET /\xfe\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a target with a fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["a target that is no path", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["another scheme", "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  ["TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 501],
  ["CONNECT", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501],
  ["a WebSocket", get("Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"), 501],
  ["header fields too long", get("Host: x", `X-Long: ${"l".repeat(20_000)}`), 431],
  ["a target too long", `GET /${"t".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ["too many header fields", get("Host: x", ...Array.from({ length: 150 }, (_, index) => `X-${index}: 1`)), 431],
];

describe("a hostile request", () => {
  let backend: Backend;
  let rig: Rig;
  const seen: string[] = [];
  beforeAll(async () => {
    backend = await httpBackend((incoming, response) => {
      seen.push(incoming.url as string);
      incoming.resume();
      response.end("served");
    });
    rig = await Rig.start([backend]);
  });
  afterAll(() => rig.stop());
  beforeEach(() => void (seen.length = 0));

  it.each(refused)("%s is refused and its connection closed", async (_name, bytes, status) => {
    const { statuses, closed, text } = await sendRaw(rig.port, bytes, { settleMs: 2_000 });
    expect(statuses).toEqual([status]);
    expect(text).toMatch(/content-type: application\/problem\+json\r\n/);
    expect(closed).toBe(true);
    expect(seen.filter((path) => path === "/smuggled")).toEqual([]);
  });

  it("in pieces is the same request: one byte at a time", async () => {
    const bytes = post([chunked], `4\r\nabcd\r\n0\r\n\r\n`);
    const { statuses } = await sendRaw(rig.port, bytes.split(""));
    expect(statuses).toEqual([200]);
    expect(seen).toEqual(["/"]);
  });

  it("that is half good is answered for the good half only", async () => {
    const { statuses, closed } = await sendRaw(rig.port, `${get("Host: x")}nonsense\r\n\r\n`, { settleMs: 500 });
    // The first may be answered or cut, but nothing of the second's refusal may look like its answer.
    expect(statuses.length === 0 || statuses[0] === 200).toBe(true);
    expect(closed).toBe(true);
  });

  it("takes what follows it on the connection along", async () => {
    const { statuses } = await sendRaw(rig.port, `${get("Host: x", "Host: y")}${smuggled}`, { settleMs: 1_000 });
    expect(statuses).toEqual([400]);
    expect(seen).toEqual([]);
  });

  it("in absolute form goes to the path, under the host of the URL", async () => {
    const raw: string[] = [];
    const witness = await rawBackend((socket, received) => {
      if (!received.includes("\r\n\r\n")) return;
      raw.push(received);
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    rig.route(witness);
    const { statuses } = await sendRaw(
      rig.port,
      "GET http://real.example/p?q=1 HTTP/1.1\r\nHost: other.example\r\n\r\n",
    );
    rig.route(backend);
    await witness.kill();
    expect(statuses).toEqual([200]);
    expect(raw[0]).toMatch(/^GET \/p\?q=1 HTTP\/1\.1\r\nhost: real\.example\r\n/);
    expect(raw[0]).not.toContain("other.example");
  });

  it("cannot take essential fields away by naming them in Connection", async () => {
    const raw: string[] = [];
    const witness = await rawBackend((socket, received) => {
      if (!received.includes("\r\n\r\n")) return;
      raw.push(received);
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    rig.route(witness);
    await sendRaw(
      rig.port,
      post(
        [
          "Connection: close, Content-Length, Host, Idempotency-Key, X-Forwarded-For",
          "Idempotency-Key: k",
          "Content-Length: 3",
        ],
        "abc",
      ),
    );
    rig.route(backend);
    await witness.kill();
    expect(raw[0]).toMatch(/content-length: 3\r\n/i);
    expect(raw[0]).toMatch(/host: x\r\n/i);
    expect(raw[0]).toMatch(/idempotency-key: k\r\n/i);
    expect(raw[0]).toMatch(/x-forwarded-for: 127\.0\.0\.1\r\n/i);
  });

  it("OPTIONS * is answered here, and many pipelined requests are refused beyond a number", async () => {
    const options = await sendRaw(rig.port, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(options.statuses).toEqual([204]);
    const many = await sendRaw(rig.port, get("Host: x").repeat(100), { answers: 100, withinMs: 3_000 });
    expect(many.closed).toBe(true);
    expect(many.statuses.slice(0, 16).every((status) => status === 200)).toBe(true);
    expect(many.statuses.length).toBeLessThan(100);
    expect(many.statuses.at(-1)).toBe(503);
  });
});

describe("limits of time and number", () => {
  let backend: Backend;
  let rig: Rig;
  beforeAll(async () => {
    backend = await httpBackend();
    rig = await Rig.start([backend], {
      headersTimeoutMs: 300,
      requestTimeoutMs: 600,
      keepAliveMs: 200,
      maxConnections: 5,
    });
  });
  afterAll(() => rig.stop());

  it("a head that does not come to its end is answered 408", async () => {
    const { statuses, closed } = await sendRaw(rig.port, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", { settleMs: 1_500 });
    expect(statuses).toEqual([408]);
    expect(closed).toBe(true);
  });

  it("a body that does not come to its end is answered 408, short or long", async () => {
    for (const length of [10, 500_000]) {
      const { statuses, closed } = await sendRaw(rig.port, post([`Content-Length: ${length}`], "abc"), {
        settleMs: 1_500,
      });
      expect(statuses).toEqual([408]);
      expect(closed).toBe(true);
    }
    await eventually(() => rig.balancer.counters.inWork === 0);
  });

  it("an idle connection is closed after a while", async () => {
    const { statuses, closed } = await sendRaw(rig.port, get("Host: x"), { settleMs: 4_000 });
    expect(statuses).toEqual([200]);
    expect(closed).toBe(true);
  });

  it("connections beyond the limit are answered 503 and closed", async () => {
    const open = Array.from({ length: 5 }, () => connect(rig.port, "127.0.0.1"));
    await eventually(() => rig.balancer.front.connections === 5);
    const { statuses, closed } = await sendRaw(rig.port, get("Host: x"), { settleMs: 1_500 });
    expect(statuses).toEqual([503]);
    expect(closed).toBe(true);
    for (const socket of open) socket.destroy();
    await eventually(() => rig.balancer.front.connections === 0);
    expect((await sendRaw(rig.port, get("Host: x"))).statuses).toEqual([200]);
  });
});
