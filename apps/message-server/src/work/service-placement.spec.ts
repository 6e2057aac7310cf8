import { placeServices, type FreeServer, type KnownService } from "./service-placement.ts";

const server = (letter: string, slots = 8): FreeServer => ({
  id: `app-server-${letter}`,
  machine: `machine-${letter}`,
  incarnation: `incarnation-${letter}`,
  slots: { SERVICES: slots },
});
const service = (name: string, more: Partial<KnownService> = {}): KnownService => ({
  name,
  queue: "SERVICES",
  isPaused: false,
  ...more,
});
const running = (name: string, letter: string): KnownService =>
  service(name, { placedOn: `app-server-${letter}`, incarnation: `incarnation-${letter}` });

describe("where services are placed", () => {
  it("spreads new ones over machines", () => {
    const moves = placeServices(
      [service("one"), service("two"), service("three")],
      ["a", "b", "c"].map((x) => server(x)),
    );
    expect(moves.map(({ placedOn }) => placedOn).sort()).toEqual(["app-server-a", "app-server-b", "app-server-c"]);
    expect(moves.every(({ successor }) => successor === undefined)).toBe(true);
  });

  it("changes nothing that is well", () => {
    expect(placeServices([running("one", "a"), running("two", "b")], [server("a"), server("b")])).toEqual([]);
  });

  it("gives what was lost to the machine with the fewest", () => {
    const lost = service("lost", { placedOn: "app-server-c" });
    expect(placeServices([running("one", "a"), lost], [server("a"), server("b")])).toEqual([
      { name: "lost", placedOn: "app-server-b" },
    ]);
  });

  it("hands over from a server that drains, instead of leaving a gap", () => {
    expect(placeServices([running("one", "c")], [server("a")])).toEqual([
      { name: "one", placedOn: "app-server-a", successor: "incarnation-a" },
    ]);
  });

  it("keeps to a hand-over under way, and gives up one whose successor is gone", () => {
    const moving = { ...running("one", "c"), placedOn: "app-server-a", successor: "incarnation-a" };
    expect(placeServices([moving], [server("a"), server("b")])).toEqual([]);
    expect(placeServices([moving], [server("b")])).toEqual([
      { name: "one", placedOn: "app-server-b", successor: "incarnation-b" },
    ]);
  });

  it("moves one service where a machine has two more than another, and then rests", () => {
    const servers = [server("a"), server("b")];
    const before = [running("one", "a"), running("two", "a")];
    expect(placeServices(before, servers)).toEqual([
      { name: "one", placedOn: "app-server-b", successor: "incarnation-b" },
    ]);
    expect(placeServices([running("one", "b"), running("two", "a")], servers)).toEqual([]);
    expect(placeServices([running("one", "b"), running("two", "a"), running("three", "a")], servers)).toEqual([]);
  });

  it("fills no server beyond its slots", () => {
    const moves = placeServices([service("one"), service("two"), service("three")], [server("a", 1), server("b", 1)]);
    expect(moves).toHaveLength(2);
  });

  it("comes to rest from any state, with every service that fits placed on a living server", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = (below: number): number =>
        (Math.abs(Math.sin(seed * 97 + below * 31 + ++draws) * 10_000) % below) | 0;
      let draws = 0;
      const servers = ["a", "b", "c"].filter(() => random(4) > 0).map((letter) => server(letter, 1 + random(3)));
      let services = Array.from({ length: random(6) }, (_, index) =>
        random(2) === 0 ? service(`s${index}`) : running(`s${index}`, ["a", "b", "c", "d"][random(4)] ?? "a"),
      );
      let rounds = 0;
      for (let moves = placeServices(services, servers); moves.length > 0; moves = placeServices(services, servers)) {
        expect(++rounds).toBeLessThan(20);
        services = services.map((one) => {
          const move = moves.find(({ name }) => name === one.name);
          const to = servers.find(({ id }) => id === move?.placedOn);
          return to === undefined ? one : { ...one, placedOn: to.id, incarnation: to.incarnation };
        });
      }
      const placed = services.filter((one) => servers.some(({ incarnation }) => incarnation === one.incarnation));
      const room = servers.reduce((sum, { slots }) => sum + (slots["SERVICES"] ?? 0), 0);
      // More than there is room for may go on where they run: nobody would take them.
      expect(placed.length).toBeGreaterThanOrEqual(Math.min(services.length, room));
    }
  });
});
