import type { InDoubtCommit } from "@understudy/contracts";
import { InDoubtList } from "./in-doubt-list.ts";

const operation = "01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10";
const commit = (change: Partial<InDoubtCommit> = {}): InDoubtCommit => ({
  instance: { id: "app-server-a", incarnation: operation },
  database: "shop",
  operation,
  attempt: 1,
  since: 10,
  outcome: "open",
  ...change,
});

describe("InDoubtList", () => {
  it("shows a commit once, with its end and since when it was in doubt", () => {
    const list = new InDoubtList();
    list.add(commit());
    list.add(commit({ outcome: "committed", since: 12, endedAt: 20 }));
    expect(list.all).toEqual([commit({ outcome: "committed", since: 10, endedAt: 20 })]);
  });

  it("does not open again what ended, nor forget a certain end", () => {
    const list = new InDoubtList();
    list.add(commit({ outcome: "not-committed" }));
    list.add(commit());
    list.add(commit({ outcome: "unknown" }));
    expect(list.all.map(({ outcome }) => outcome)).toEqual(["not-committed"]);
  });

  it("tells attempts of the same operation apart", () => {
    const list = new InDoubtList();
    list.add(commit({ outcome: "not-committed" }));
    list.add(commit({ attempt: 2, since: 11 }));
    expect(list.all.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, "not-committed"],
      [2, "open"],
    ]);
  });

  it("is bounded, and keeps what is still open", () => {
    const list = new InDoubtList();
    list.add(commit());
    for (let attempt = 2; attempt < 2_000; attempt++)
      list.add(commit({ attempt, outcome: "committed", since: attempt }));
    expect(list.all).toHaveLength(1_000);
    expect(list.all.some(({ outcome }) => outcome === "open")).toBe(true);
  });
});
