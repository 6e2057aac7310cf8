import { orderRequest } from "../orders/order.schema.ts";
import { idempotencyKey } from "./idempotency-key.ts";
import { checkBody, jsonPointer } from "./validation.ts";

const fieldsOf = (body: unknown): string[] => {
  const checked = checkBody(orderRequest, body);
  return "faults" in checked ? checked.faults.map(({ field, message }) => `${field}: ${message}`) : [];
};
const position = { itemId: 1, quantity: 1 };

describe("the faults of a body", () => {
  it("are pointed at by RFC 6901", () => {
    expect(jsonPointer(["positions", 0, "a/b~c"])).toBe("/positions/0/a~1b~0c");
    expect(jsonPointer([])).toBe("");
  });

  it("are all named at once", () => {
    expect(
      fieldsOf({ customerId: 0, positions: [position, { itemId: "1", quantity: 0, price: 1 }], note: "x" }),
    ).toEqual([
      "/customerId: must be 1 or more",
      "/positions/1/itemId: must be a whole number",
      "/positions/1/quantity: must be 1 to 91",
      "/positions/1/price: is not known here",
      "/note: is not known here",
    ]);
  });

  it.each([
    ["no body", undefined, ": must be a JSON object"],
    ["a list", [], ": must be a JSON object"],
    ["a text", "order", ": must be a JSON object"],
    ["no positions", { customerId: 1 }, "/positions: must be a list"],
    ["an empty list", { customerId: 1, positions: [] }, "/positions: an order has 1 to 15 positions"],
    [
      "16 positions",
      { customerId: 1, positions: Array.from({ length: 16 }, () => position) },
      "/positions: an order has 1 to 15 positions",
    ],
    ["null as position", { customerId: 1, positions: [null] }, "/positions/0: must be an object"],
    ["a fraction", { customerId: 1.5, positions: [position] }, "/customerId: must be a whole number"],
    ["an id beyond integer", { customerId: 3e9, positions: [position] }, "/customerId: must be at most 2147483647"],
    [
      "92 pieces",
      { customerId: 1, positions: [{ itemId: 1, quantity: 92 }] },
      "/positions/0/quantity: must be 1 to 91",
    ],
  ])("of %s", (_what, body, fault) => {
    expect(fieldsOf(body)).toEqual([fault]);
  });

  it("are none for a good order, an item twice included", () => {
    expect(fieldsOf({ customerId: 1, positions: [position, position] })).toEqual([]);
  });
});

describe("an Idempotency-Key", () => {
  it.each(["a", "A-1_b.c~!", "x".repeat(255)])("may be %s", (key) => {
    expect(idempotencyKey.safeParse(key).success).toBe(true);
  });

  it.each([undefined, "", "with space", "ümlaut", "x".repeat(256), "tab\t", "one, two"])("may not be %p", (key) => {
    expect(idempotencyKey.safeParse(key).success).toBe(false);
  });
});
