import type { DatabaseTopology } from "@understudy/contracts";
import { mayReplace } from "./topology-store.ts";

const topology = (term: number, timeline: number): DatabaseTopology => ({
  database: "shop",
  term,
  timeline,
  policy: "available",
  phase: "open",
  members: [],
  at: 0,
});

describe("mayReplace", () => {
  it("lets the higher (term, timeline) stand, and the later of two equals", () => {
    expect(mayReplace(topology(1, 1), undefined)).toBe(true);
    expect(mayReplace(topology(4, 2), topology(3, 9))).toBe(true);
    expect(mayReplace(topology(3, 3), topology(3, 3))).toBe(true);
    expect(mayReplace(topology(3, 2), topology(3, 3))).toBe(false);
    expect(mayReplace(topology(2, 9), topology(3, 1))).toBe(false);
  });
});
