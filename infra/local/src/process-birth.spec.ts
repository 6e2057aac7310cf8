import { birthOf } from "./process-birth.ts";

describe("the birth of a process", () => {
  it("stays the same while it lives", () => {
    expect(birthOf(process.pid)).toBeDefined();
    expect(birthOf(process.pid)).toBe(birthOf(process.pid));
  });

  it("is unknown when there is no such process", () => {
    expect(birthOf(2 ** 22 + 1)).toBeUndefined();
  });
});
