import type { Beat, RegisteredServer } from "@understudy/contracts";
import { differsInStructure, routingEntries, type RoutingFacts } from "./routing-table.ts";

const server = (id: string, state: RegisteredServer["state"] = "accepting"): RegisteredServer => ({
  instance: {
    id,
    incarnation: "01a206b4-42b7-702e-b31c-f5b53bc8d92c",
    kind: "app-server",
    cluster: "understudy",
    site: "site-1",
    machine: "machine-a",
  },
  protocol: 1,
  url: "http://127.0.0.1:1",
  capacity: 10,
  applications: [],
  state,
  since: 0,
  evidence: [],
});
const beat = (ready: boolean, load = 3): Beat => ({ ready, load }) as Beat;
const facts = (id: string, changed: Partial<RoutingFacts> = {}): RoutingFacts => ({
  server: server(id),
  beat: beat(true),
  isSuspect: false,
  isGone: false,
  ...changed,
});
const statesOf = (all: readonly RoutingFacts[]) => routingEntries(all).map(({ id, state }) => [id, state]);

describe("routingEntries", () => {
  it("lists ready servers with their load, sorted by id", () => {
    expect(routingEntries([facts("b"), facts("a")]).map(({ id, load }) => [id, load])).toEqual([
      ["a", 3],
      ["b", 3],
    ]);
  });

  it("lists a server only from its first ready beat on", () => {
    expect(statesOf([facts("a", { beat: undefined }), facts("b", { beat: beat(false) })])).toEqual([]);
  });

  it("keeps a draining server, which is no longer ready, as draining", () => {
    expect(statesOf([facts("a", { server: server("a", "draining"), beat: beat(false) })])).toEqual([["a", "draining"]]);
  });

  it("marks a suspect and drops the lost, the left and the gone", () => {
    expect(
      statesOf([
        facts("a", { isSuspect: true }),
        facts("b", { server: server("b", "lost") }),
        facts("c", { server: server("c", "left") }),
        facts("d", { isGone: true }),
      ]),
    ).toEqual([["a", "suspect"]]);
  });
});

describe("differsInStructure", () => {
  it("sees a change of state but not of load", () => {
    const before = routingEntries([facts("a")]);
    expect(differsInStructure(before, routingEntries([facts("a", { beat: beat(true, 9) })]))).toBe(false);
    expect(differsInStructure(before, routingEntries([facts("a", { isSuspect: true })]))).toBe(true);
    expect(differsInStructure(before, [])).toBe(true);
  });
});
