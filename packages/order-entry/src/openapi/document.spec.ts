import { z } from "zod";
import { openApiDocument } from "./document.ts";

type Json = Record<string, unknown>;
const document = openApiDocument() as Json;

/** Every object in the document with the pointer to it. */
function* objectsOf(value: unknown, at = "#"): Generator<[string, Json]> {
  if (typeof value !== "object" || value === null) return;
  yield [at, value as Json];
  for (const [key, part] of Object.entries(value)) yield* objectsOf(part, `${at}/${key}`);
}

const componentsOf = ({ components }: Json): Json => (components as { schemas: Json }).schemas;

/** The documented schema, read back: references resolved within the document. */
function documented(schema: Json): z.ZodType {
  const text = JSON.stringify({ ...schema, $defs: componentsOf(document) });
  return z.fromJSONSchema(
    JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/")) as z.core.JSONSchema.JSONSchema,
  );
}

describe("the OpenAPI document", () => {
  it("resolves all its references", () => {
    for (const [at, { $ref: reference }] of objectsOf(document)) {
      if (typeof reference !== "string") continue;
      expect([at, componentsOf(document)[reference.replace("#/components/schemas/", "")]]).toEqual([
        at,
        expect.any(Object),
      ]);
    }
  });

  it("has examples that its schemas accept", () => {
    let checked = 0;
    for (const [at, { schema, example }] of objectsOf(document)) {
      if (schema === undefined || example === undefined) continue;
      const result = documented(schema as Json).safeParse(example);
      expect([at, result.error?.message]).toEqual([at, undefined]);
      checked += 1;
    }
    expect(checked).toBeGreaterThanOrEqual(10);
  });

  it("has schemas that refuse what they should", () => {
    const order = documented({ $ref: "#/components/schemas/OrderRequest" });
    expect(order.safeParse({ customerId: 1, positions: [] }).success).toBe(false);
    expect(order.safeParse({ customerId: 1, positions: [{ itemId: 1, quantity: 92 }] }).success).toBe(false);
    expect(order.safeParse({ customerId: 1, positions: [{ itemId: 1, quantity: 91 }] }).success).toBe(true);
  });

  it("gives each operation a unique id, a summary and a 503", () => {
    const operations = Object.values(document["paths"] as Record<string, Record<string, Json>>).flatMap((path) =>
      Object.values(path),
    );
    const ids = operations.map(({ operationId }) => operationId);
    expect(ids).toHaveLength(11);
    expect(new Set(ids)).toEqual(
      new Set([
        "cancelJob",
        "enqueueJob",
        "listCustomers",
        "listItems",
        "listJobs",
        "listOrders",
        "listStock",
        "placeOrder",
        "readJob",
        "readOrder",
        "restartJob",
      ]),
    );
    for (const { summary, responses } of operations) {
      expect(summary).toEqual(expect.any(String));
      expect(responses).toHaveProperty("503");
    }
  });

  it("documents every query parameter as what it is", () => {
    const paths = document["paths"] as Record<string, { get: { parameters: Json[] } }>;
    expect(paths["/api/orders"]?.get.parameters).toMatchObject([
      { name: "limit", in: "query", schema: { type: "integer", minimum: 1, maximum: 1_000, default: 20 } },
      { name: "after", in: "query", schema: { type: "string" } },
      { name: "customerId", in: "query", schema: { type: "integer" } },
      { name: "key", in: "query", schema: { type: "string" } },
    ]);
  });
});
