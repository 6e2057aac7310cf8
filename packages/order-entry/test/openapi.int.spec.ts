import { PostgresServer } from "@understudy/testkit";
import { z } from "zod";
import { type Answer, order, type OrderEntryHost, OrderEntryRig } from "./rig.ts";

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: object };
}

let server: PostgresServer;
let rig: OrderEntryRig;
let host: OrderEntryHost;
let document: Document;

beforeAll(async () => {
  server = await PostgresServer.start();
  rig = await OrderEntryRig.start(server, "openapi");
  host = await rig.host();
  const served = await host.get("/api/openapi.json");
  expect(served.status).toBe(200);
  document = served.body as unknown as Document;
});
afterAll(async () => {
  await rig?.stop();
  await server.remove();
});

/** What the served document says about an answer, as a check. */
function documented(method: string, path: string, { status, headers }: Answer): z.ZodType {
  const mediaType = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  const schema = document.paths[path]?.[method]?.responses[status]?.content[mediaType]?.schema;
  if (schema === undefined) throw new Error(`${method} ${path}: ${status} with ${mediaType} is not documented.`);
  const whole = JSON.stringify({ ...schema, $defs: document.components.schemas });
  return z.fromJSONSchema(
    JSON.parse(whole.replaceAll("#/components/schemas/", "#/$defs/")) as z.core.JSONSchema.JSONSchema,
  );
}

describe("every answer is as the served OpenAPI document says", () => {
  it.each<[string, string, number, () => Promise<Answer>]>([
    ["get", "/api/customers", 200, () => host.get("/api/customers?limit=3")],
    ["get", "/api/customers", 400, () => host.get("/api/customers?limit=x")],
    ["get", "/api/items", 200, () => host.get("/api/items?limit=3")],
    ["get", "/api/stock", 200, () => host.get("/api/stock?itemId=4")],
    ["get", "/api/orders", 200, () => host.get("/api/orders?limit=3")],
    ["get", "/api/orders", 400, () => host.get("/api/orders?after=nonsense")],
    ["post", "/api/orders", 201, () => host.order("first", order(1, [1, 1], [2, 2]))],
    ["post", "/api/orders", 200, () => host.order("first", order(1, [1, 1], [2, 2]))],
    ["get", "/api/orders", 200, () => host.get("/api/orders?key=first")],
    ["post", "/api/orders", 409, () => host.order("first", order(1, [1, 2]))],
    ["post", "/api/orders", 400, () => host.order("bad", order(0))],
    ["post", "/api/orders", 413, () => host.order("large", { x: "x".repeat(2_000_000) })],
    ["post", "/api/orders", 415, () => host.post({ "idempotency-key": "text", "content-type": "text/plain" }, "x")],
    ["post", "/api/orders", 422, () => host.order("unknown", order(1_000_000, [1, 1]))],
    ["get", "/api/orders/{id}", 404, () => host.get("/api/orders/01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10")],
    [
      "get",
      "/api/orders/{id}",
      200,
      async () => host.get(`/api/orders/${String((await host.order("first", order(1, [1, 1], [2, 2]))).body["id"])}`),
    ],
  ])("%s %s: %i", async (method, path, status, request) => {
    const answer = await request();
    expect(answer.status).toBe(status);
    expect(documented(method, path, answer).safeParse(answer.body).error).toBeUndefined();
  });
});
