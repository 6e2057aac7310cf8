import fc from "fast-check";
import { z } from "zod";
import { afterParameter, identifier, limitParameter, toPage } from "./pagination.ts";

const numbers = Array.from({ length: 10 }, (_, index) => index + 1);
const after = afterParameter(identifier);
const page = (limit: number, cursor?: string) => {
  const from = after.parse(cursor) ?? 0;
  return toPage(
    numbers.filter((number) => number > from).slice(0, limit + 1),
    limit,
    (last) => last,
    (number) => number * 10,
  );
};

describe("pagination", () => {
  it("shows each entry once, whatever the page size, and no next on the last page", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), (limit) => {
        const seen: number[] = [];
        let next: string | undefined;
        do {
          const found = page(limit, next);
          expect(found.items.length).toBeLessThanOrEqual(limit);
          seen.push(...found.items);
          next = found.next;
        } while (next !== undefined);
        expect(seen).toEqual(numbers.map((number) => number * 10));
      }),
    );
  });

  it.each(["", "x", "%%%", "bnVsbA", "Ii0xIg", "MS41", "eyJhIjoxfQ", "LTE", "OTk5OTk5OTk5OTk5"])(
    "refuses the cursor %p, which no answer of the list had",
    (text) => {
      expect(after.safeParse(text).success).toBe(false);
    },
  );

  it("refuses the cursor of another list", () => {
    const { next } = toPage(
      ["a", "b"],
      1,
      (last) => last,
      (entry) => entry,
    );
    expect(after.safeParse(next).success).toBe(false);
    expect(afterParameter(z.string()).parse(next)).toBe("a");
  });

  it.each([
    ["1", 1],
    ["1000", 1_000],
    [undefined, 20],
  ])("reads the limit %p as %i", (text, limit) => {
    expect(limitParameter.parse(text)).toBe(limit);
  });

  it.each(["0", "1001", "-1", "1.5", "ten", "", " 5", "1e2"])("refuses the limit %p", (text) => {
    expect(limitParameter.safeParse(text).success).toBe(false);
  });
});
