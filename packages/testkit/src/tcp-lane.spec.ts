import { portions } from "./tcp-lane.ts";

describe("portions", () => {
  it("are all the bytes in order, each at most a twentieth of a second", () => {
    const bytes = Buffer.from("abcdefghij");
    const parts = portions(bytes, 60);
    expect(parts.map(String)).toEqual(["abc", "def", "ghi", "j"]);
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });
  it("are one without a limit, and single bytes below twenty a second", () => {
    expect(portions(Buffer.from("abc"), Number.POSITIVE_INFINITY)).toHaveLength(1);
    expect(portions(Buffer.from("abc"), 1)).toHaveLength(3);
    expect(portions(Buffer.alloc(0), 1)).toEqual([]);
  });
});
