import fc from "fast-check";
import { chooseServer, isUsable, type ServerFacts } from "./choose-server.ts";

const server = (facts: Partial<ServerFacts> = {}): ServerFacts => ({
  state: "accepting",
  isLocal: false,
  inFlight: 0,
  foreignLoad: 0,
  capacity: 100,
  leftOutUntilMs: 0,
  distrustedUntilMs: 0,
  isSilent: false,
  ...facts,
});
const now = 1_000;
const choose = (servers: readonly ServerFacts[], excluded?: ServerFacts, turn = 0) =>
  chooseServer(servers, now, turn, excluded);

describe("chooseServer", () => {
  it("takes the least loaded by what each means to carry", () => {
    const small = server({ inFlight: 5, capacity: 10 });
    const large = server({ inFlight: 20, capacity: 100 });
    expect(choose([small, large])).toBe(large);
  });

  it("counts the load that others bring", () => {
    const busy = server({ inFlight: 0, foreignLoad: 30 });
    const idle = server({ inFlight: 10 });
    expect(choose([busy, idle])).toBe(idle);
  });

  it("never takes a draining, removed or left-out one", () => {
    expect(
      choose([server({ state: "draining" }), server({ state: "removed" }), server({ leftOutUntilMs: now + 1 })]),
    ).toBeUndefined();
    expect(choose([server({ leftOutUntilMs: now })])).toBeDefined();
  });

  it("takes suspect and silent ones only without a better, and who broke off last of all", () => {
    const suspect = server({ state: "suspect" });
    const silent = server({ isSilent: true, inFlight: 1 });
    const broke = server({ distrustedUntilMs: now + 1 });
    const busy = server({ inFlight: 1_000 });
    expect(choose([suspect, silent, broke, busy])).toBe(busy);
    expect(choose([broke, silent, suspect])).toBe(suspect);
    expect(choose([broke])).toBe(broke);
  });

  it("prefers the own machine among equals only", () => {
    const local = server({ isLocal: true });
    for (const turn of [0, 1, 2]) expect(choose([server(), local, server()], undefined, turn)).toBe(local);
    const busier = server({ isLocal: true, inFlight: 1 });
    const other = server();
    expect(choose([other, busier])).toBe(other);
  });

  it("goes round among equals as the turn does", () => {
    const all = [server(), server(), server()];
    expect(new Set([0, 1, 2].map((turn) => choose(all, undefined, turn)))).toEqual(new Set(all));
  });

  it("leaves the excluded one out, even as the last", () => {
    const only = server();
    expect(choose([only], only)).toBeUndefined();
  });

  it("finds one exactly when a usable one is there, and none of a better rank is passed over", () => {
    const facts = fc.record<ServerFacts>({
      state: fc.constantFrom("accepting", "suspect", "draining", "removed"),
      isLocal: fc.boolean(),
      inFlight: fc.nat(50),
      foreignLoad: fc.nat(50),
      capacity: fc.integer({ min: 1, max: 100 }),
      leftOutUntilMs: fc.constantFrom(0, 2_000),
      distrustedUntilMs: fc.constantFrom(0, 2_000),
      isSilent: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(facts, { maxLength: 12 }), fc.nat(1_000), (servers, turn) => {
        const chosen = chooseServer(servers, now, turn);
        expect(chosen !== undefined).toBe(servers.some((one) => isUsable(one, now)));
        if (chosen === undefined) return;
        expect(isUsable(chosen, now)).toBe(true);
        const good = servers.filter(
          (one) => isUsable(one, now) && one.state === "accepting" && !one.isSilent && one.distrustedUntilMs <= now,
        );
        if (good.length === 0) return;
        expect(good).toContain(chosen);
        const load = (one: ServerFacts) => (one.inFlight + one.foreignLoad) / one.capacity;
        expect(load(chosen)).toBe(Math.min(...good.map(load)));
      }),
    );
  });
});
