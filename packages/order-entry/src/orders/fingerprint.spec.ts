import { fingerprintOf } from "./fingerprint.ts";
import { orderRequest } from "./order.schema.ts";

const of = (text: string): string => fingerprintOf(orderRequest.parse(JSON.parse(text))).toString("hex");
const body = '{"customerId":1,"positions":[{"itemId":2,"quantity":3},{"itemId":4,"quantity":5}]}';

describe("the fingerprint of a request", () => {
  it("is the same whatever the spaces and the order of fields", () => {
    const same = '{ "positions": [{"quantity":3,"itemId":2},{"quantity":5,"itemId":4}], "customerId": 1.0 }';
    expect(of(same)).toBe(of(body));
  });

  it.each([
    ["customer", body.replace('"customerId":1', '"customerId":2')],
    ["quantity", body.replace('"quantity":3', '"quantity":4')],
    ["item", body.replace('"itemId":2', '"itemId":6')],
    ["order of positions", '{"customerId":1,"positions":[{"itemId":4,"quantity":5},{"itemId":2,"quantity":3}]}'],
  ])("is another for another %s", (_what, other) => {
    expect(of(other)).not.toBe(of(body));
  });

  it("stays what it is: stored fingerprints are compared with it", () => {
    expect(of(body)).toBe("b0f6522fd098cb1291511612b6f2cddd321fc70461d4be7dc667814ed266cae8");
  });
});
