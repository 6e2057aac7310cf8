import { uuidV7 } from "./uuid-v7.ts";

describe("ids of jobs", () => {
  const ids = Array.from({ length: 50_000 }, uuidV7);

  it("are UUIDs of version 7", () => {
    for (const id of ids.slice(0, 1_000))
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("differ, and sort in the order in which they were made", () => {
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(ids);
  });

  it("begin with the time", () => {
    const ms = Number.parseInt(uuidV7().replace("-", "").slice(0, 12), 16);
    // Fifty thousand at once borrow a little of the future.
    expect(Math.abs(ms - Date.now())).toBeLessThan(1_000);
  });
});
