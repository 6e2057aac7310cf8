import { PostgresServer } from "@understudy/testkit";
import { problem } from "../src/http/problem.ts";
import { order, type OrderEntryHost, OrderEntryRig } from "./rig.ts";

let server: PostgresServer;
let rig: OrderEntryRig;
let host: OrderEntryHost;

beforeAll(async () => {
  server = await PostgresServer.start();
  rig = await OrderEntryRig.start(server, "problems");
  host = await rig.host();
});
afterAll(async () => {
  await rig?.stop();
  await server.remove();
});

const json = { "content-type": "application/json", "idempotency-key": "k" };
const good = JSON.stringify(order(1, [1, 1]));

describe("a refused request is answered by a problem", () => {
  it.each<[string, () => Promise<Response>, number, string[]]>([
    ["an unknown route", () => fetch(`${host.url}/api/nothing`), 404, []],
    ["a route outside /api", () => fetch(`${host.url}/`), 404, []],
    ["an unknown method", () => fetch(`${host.url}/api/orders`, { method: "DELETE" }), 404, []],
    ["malformed JSON", () => post(json, '{"customerId":1,'), 400, []],
    ["an empty body", () => post(json, ""), 400, []],
    ["a body of another form", () => post(json, "[]"), 400, [""]],
    ["a poisoned body", () => post(json, '{"__proto__":{"x":1},"customerId":1,"positions":[]}'), 400, []],
    ["a body beyond the limit", () => post(json, JSON.stringify({ x: "x".repeat(2_000_000) })), 413, []],
    ["plain text", () => post({ ...json, "content-type": "text/plain" }, good), 415, []],
    ["a form", () => post({ ...json, "content-type": "application/x-www-form-urlencoded" }, "customerId=1"), 415, []],
    ["an unknown media type", () => post({ ...json, "content-type": "application/xml" }, good), 415, []],
    ["a missing key", () => post({ "content-type": "application/json" }, good), 400, ["Idempotency-Key"]],
    ["a key with a space", () => post({ ...json, "idempotency-key": "a b" }, good), 400, ["Idempotency-Key"]],
    ["a key too long", () => post({ ...json, "idempotency-key": "x".repeat(256) }, good), 400, ["Idempotency-Key"]],
    [
      "everything at once",
      () =>
        post({ "content-type": "application/json" }, '{"customerId":-1,"positions":[{"itemId":1,"quantity":0}],"x":1}'),
      400,
      ["Idempotency-Key", "/customerId", "/positions/0/quantity", "/x"],
    ],
    [
      "wrong parameters",
      () => fetch(`${host.url}/api/orders?limit=0&after=x&customerId=y&key=%20&foo=1`),
      400,
      ["limit", "after", "customerId", "key", "foo"],
    ],
    ["a parameter twice", () => fetch(`${host.url}/api/items?limit=1&limit=2`), 400, ["limit"]],
  ])("%s", async (_what, request, status, fields) => {
    const response = await request();
    const body = problem.strict().parse(await response.json());
    expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect([response.status, body.status, body.retryable]).toEqual([status, status, false]);
    expect((body.errors ?? []).map(({ field }) => field)).toEqual(fields);
  });

  const post = (headers: Record<string, string>, body: string): Promise<Response> =>
    fetch(`${host.url}/api/orders`, { method: "POST", headers, body });
});
