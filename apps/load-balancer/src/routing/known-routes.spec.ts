import type { RoutingTable } from "@understudy/contracts";
import { acceptsConnections } from "./acceptance.ts";
import { KnownRoutes } from "./known-routes.ts";

const table = (term: number, version: number, issuedAt = 0): RoutingTable => ({
  leader: { term, holder: { id: "message-server-a", incarnation: "01890000-0000-7000-8000-000000000001" } },
  version,
  issuedAt,
  servers: [],
});

describe("KnownRoutes", () => {
  it("keeps the newer table, whatever comes later and from where", () => {
    const routes = new KnownRoutes();
    const seen: RoutingTable[] = [];
    routes.onChange((next) => seen.push(next));
    const kept = [table(1, 1), table(1, 2), table(1, 2, 5), table(2, 0)];
    expect(routes.offer(kept[0]!, "stored")).toBe(true);
    expect(routes.offer(kept[1]!, "event")).toBe(true);
    expect(routes.offer(table(1, 1, 99), "event")).toBe(false);
    expect(routes.offer(kept[2]!, "event")).toBe(true);
    expect(routes.offer(kept[3]!, "event")).toBe(true);
    expect(routes.offer(table(1, 900, 900), "event")).toBe(false);
    expect(routes.table).toBe(kept[3]);
    expect(seen).toEqual(kept);
  });

  it("counts only the present leader's own word as contact", () => {
    let nowMs = 0;
    const routes = new KnownRoutes(() => nowMs);
    routes.offer(table(2, 1), "stored");
    expect([routes.silentMs, routes.comparedMs]).toEqual([undefined, 0]);
    routes.offer(table(2, 1), "event");
    nowMs = 700;
    routes.offer(table(1, 50), "event");
    expect(routes.silentMs).toBe(700);
    // Nothing new in it, and yet the leader spoke.
    routes.offer(table(2, 1), "event");
    expect(routes.silentMs).toBe(0);
  });
});

describe("acceptsConnections", () => {
  const good = { isDraining: false, hasUsableServer: true, silentMs: 400, comparedMs: undefined };
  it.each([
    ["with a usable server and fresh word", {}, true],
    ["not while draining", { isDraining: true }, false],
    ["not without a usable server", { hasUsableServer: false }, false],
    ["not when the message server fell silent", { silentMs: 2_001 }, false],
    ["but as long as the store vouches for the table", { silentMs: 60_000, comparedMs: 1_000 }, true],
    ["which it must have done lately", { silentMs: 60_000, comparedMs: 3_001 }, false],
    ["not before it was heard", { silentMs: undefined }, false],
  ])("%s", (_claim, facts, expected) => {
    expect(acceptsConnections({ ...good, ...facts })).toBe(expected);
  });
});
