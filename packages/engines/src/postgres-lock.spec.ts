import { lockHolder } from "./postgres-lock.ts";

describe("lockHolder", () => {
  it("is the first line's process", () => {
    expect(lockHolder("4711\n/data\n1700000000\n5432\n")).toBe(4711);
  });
  it.each(["", "\n", "abc\n", "0\n", "1\n", "-5\n"])("is nobody in a torn file (%j)", (text) => {
    expect(lockHolder(text)).toBeUndefined();
  });
});
