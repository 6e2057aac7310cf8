import { readRequestHead, mayBeRepeated, type RequestHead } from "./request-head.ts";
import { readTarget } from "./request-target.ts";

const arrival = { clientAddress: "192.0.2.9", localPort: "8080", scheme: "http" } as const;
const read = (fields: string[], method = "GET", target = "/", minor = 1) =>
  readRequestHead(method, target, minor, fields, arrival, () => "new-id");
const headersOf = (fields: string[], ...rest: [string?, string?]): Record<string, string> => {
  const head = read(["Host", "x", ...fields], ...rest) as RequestHead;
  expect(head.kind).toBe("forward");
  const pairs: [string, string][] = [];
  for (let index = 0; index < head.headers.length; index += 2) {
    pairs.push([(head.headers[index] as string).toLowerCase(), head.headers[index + 1] as string]);
  }
  expect(new Set(pairs.map(([name]) => name)).size).toBe(pairs.length);
  return Object.fromEntries(pairs);
};

describe("readRequestHead", () => {
  it("adds what the app server needs to know of the user's side", () => {
    expect(headersOf([])).toEqual({
      host: "x",
      "x-forwarded-for": "192.0.2.9",
      "x-forwarded-host": "x",
      "x-forwarded-port": "8080",
      "x-forwarded-proto": "http",
      "x-request-id": "new-id",
      via: "1.1 understudy",
    });
  });

  it("continues lists, replaces claims, keeps a good request id", () => {
    const headers = headersOf([
      "X-Forwarded-For",
      "a",
      "x-forwarded-for",
      "b",
      "X-Forwarded-Port",
      "1",
      "Forwarded",
      "for=c",
      "Via",
      "1.0 y",
      "X-Request-Id",
      "id-7",
    ]);
    expect(headers).toMatchObject({
      "x-forwarded-for": "a, b, 192.0.2.9",
      "x-forwarded-port": "8080",
      via: "1.0 y, 1.1 understudy",
      "x-request-id": "id-7",
    });
    expect(headers["forwarded"]).toBeUndefined();
    expect(headersOf(["X-Request-Id", "has blanks"])["x-request-id"]).toBe("new-id");
    expect(headersOf(["X-Request-Id", "l".repeat(129)])["x-request-id"]).toBe("new-id");
  });

  it("tells how the body comes", () => {
    const length = (fields: string[]) => (read(["Host", "x", ...fields], "POST") as RequestHead).contentLength;
    expect(length([])).toBe(0);
    expect(length(["Content-Length", "12"])).toBe(12);
    expect(length(["Transfer-Encoding", "Chunked"])).toBeUndefined();
  });

  it("knows which requests may be repeated", () => {
    const keyed = (fields: string[]) => (read(["Host", "x", ...fields], "POST") as RequestHead).isKeyed;
    expect(keyed([])).toBe(false);
    expect(keyed(["Idempotency-Key", ""])).toBe(false);
    expect(keyed(["idempotency-key", "k"])).toBe(true);
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) expect(mayBeRepeated(method, false)).toBe(true);
    for (const method of ["POST", "PATCH"]) {
      expect(mayBeRepeated(method, false)).toBe(false);
      expect(mayBeRepeated(method, true)).toBe(true);
    }
  });

  it.each([
    ["two hosts", ["Host", "x", "HOST", "x"], 400],
    ["no host", [], 400],
    ["a host that is none", ["Host", "x/y"], 400],
    ["length and chunks", ["Host", "x", "Content-Length", "1", "Transfer-Encoding", "chunked"], 400],
    ["a length that is none", ["Host", "x", "Content-Length", "1e3"], 400],
    ["an encoding that is not served", ["Host", "x", "Transfer-Encoding", "gzip"], 501],
    ["a WebSocket among protocols", ["Host", "x", "Upgrade", "h2c, WebSocket"], 501],
  ])("refuses %s", (_name, fields, status) => {
    expect(read(fields)).toMatchObject({ kind: "refuse", status });
  });

  it("lets HTTP/1.0 come without a host", () => {
    expect(read([], "GET", "/", 0)).toMatchObject({ kind: "forward" });
    expect(read(["Transfer-Encoding", "chunked"], "POST", "/", 0)).toMatchObject({ kind: "refuse", status: 400 });
  });
});

describe("readTarget", () => {
  it.each([
    ["GET", "/a?b=c", { kind: "path", path: "/a?b=c" }],
    ["GET", "//evil.example/x", { kind: "path", path: "//evil.example/x" }],
    ["GET", "http://h:1/p?q", { kind: "absolute", path: "/p?q", host: "h:1" }],
    ["GET", "HTTP://h", { kind: "absolute", path: "/", host: "h" }],
    ["GET", "http://h?q", { kind: "absolute", path: "/?q", host: "h" }],
    ["OPTIONS", "*", { kind: "server" }],
  ])("%s %s", (method, target, expected) => {
    expect(readTarget(method, target)).toEqual(expected);
  });

  it.each(["*", "x", "", "http://", "http://u@h/", "https://h/", "/a#b", "/ü", "/a b", "/a\u007f"])(
    "refuses %p",
    (target) => {
      expect(readTarget("GET", target)).toMatchObject({ kind: "invalid" });
    },
  );
});
