import { InvalidPayloadError, PayloadTooLargeError } from "../queue-errors.ts";
import { checkedPayload, payloadDocument } from "./payload.ts";
import type { StandardSchema } from "./standard-schema.ts";

const even: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "number" && value % 2 === 0
        ? { value }
        : { issues: [{ message: "must be even", path: ["a", { key: 0 }] }] },
  },
};

describe("payloads", () => {
  it("one line of JSON, whatever is in them", () => {
    const text = payloadDocument("t", { a: "one\ntwo\r\u2028\u0000", b: [undefined], c: undefined }, 1_000);
    expect(text).not.toMatch(/[\n\r]/);
    expect(JSON.parse(text)).toEqual({ a: "one\ntwo\r\u2028\u0000", b: [null] });
    expect(payloadDocument("t", undefined, 10)).toBe("null");
  });

  it.each([[() => 1], [1n], [Symbol("x")]])("what JSON cannot hold is refused: %p", (value) => {
    expect(() => payloadDocument("t", value, 1_000)).toThrow(InvalidPayloadError);
  });

  it("their size is counted in bytes", () => {
    expect(payloadDocument("t", "ßß", 6)).toBe('"ßß"');
    expect(() => payloadDocument("t", "ßßß", 6)).toThrow(PayloadTooLargeError);
  });

  it("a schema's faults are told with their paths; a schema that takes time is awaited", async () => {
    expect(checkedPayload("t", even, 2)).toBe(2);
    expect(() => checkedPayload("t", even, 3)).toThrow(/a\.0: must be even/);
    const slow: StandardSchema<number> = {
      "~standard": { ...even["~standard"], validate: async (value) => even["~standard"].validate(value) },
    };
    await expect(checkedPayload("t", slow, 3)).rejects.toThrow(InvalidPayloadError);
  });
});
