/** Which service runs where: at most one machine's worth of services is lost with a machine. Pure. */

export interface KnownService {
  readonly name: string;
  readonly queue: string;
  readonly isPaused: boolean;
  readonly placedOn?: string;
  /** Incarnation that runs it. */
  readonly incarnation?: string;
  /** Incarnation that is to take over from it. */
  readonly successor?: string;
}

/** An app server that takes work. */
export interface FreeServer {
  readonly id: string;
  readonly machine: string;
  readonly incarnation: string;
  /** Services of a queue that it may run. */
  readonly slots: Readonly<Record<string, number>>;
}

export interface ServiceMove {
  readonly name: string;
  readonly placedOn: string;
  /** Set where a living instance hands over. */
  readonly successor?: string;
}

/**
 * What is to be changed; nothing when all is well. A service stays where it is while that server takes work. Else it
 * goes to the machine, and there to the server, with the fewest services. Where one machine has two more than another,
 * one service moves, one at a time.
 */
export function placeServices(services: readonly KnownService[], servers: readonly FreeServer[]): ServiceMove[] {
  const onServer = new Map<string, number>();
  const onMachine = new Map<string, number>();
  const count = (server: FreeServer, change: 1 | -1 = 1) => {
    onServer.set(server.id, (onServer.get(server.id) ?? 0) + change);
    onMachine.set(server.machine, (onMachine.get(server.machine) ?? 0) + change);
  };
  const hasRoom = (server: FreeServer, queue: string) => (onServer.get(server.id) ?? 0) < (server.slots[queue] ?? 0);
  const freest = (queue: string) =>
    servers
      .filter((server) => hasRoom(server, queue))
      .sort(
        (one, other) =>
          (onMachine.get(one.machine) ?? 0) - (onMachine.get(other.machine) ?? 0) ||
          (onServer.get(one.id) ?? 0) - (onServer.get(other.id) ?? 0) ||
          (one.id < other.id ? -1 : 1),
      )[0];

  const moves: ServiceMove[] = [];
  const homeless: KnownService[] = [];
  const settled: { readonly service: KnownService; readonly home: FreeServer }[] = [];
  for (const service of services) {
    const home = homeOf(service, servers);
    if (home === undefined || !hasRoom(home, service.queue)) {
      homeless.push(service);
      continue;
    }
    count(home);
    settled.push({ service, home });
    if (service.placedOn !== home.id && service.successor === undefined)
      moves.push({ name: service.name, placedOn: home.id });
  }
  for (const service of homeless) {
    const home = freest(service.queue);
    if (home === undefined) continue;
    count(home);
    moves.push(moveTo(service, home));
  }
  if (moves.length > 0 || settled.some(({ service }) => service.successor !== undefined)) return moves;
  for (const { service, home } of settled) {
    count(home, -1);
    const better = freest(service.queue);
    const gain = better === undefined ? 0 : (onMachine.get(home.machine) ?? 0) - (onMachine.get(better.machine) ?? 0);
    count(home);
    if (better !== undefined && gain >= 1 && service.incarnation !== undefined) return [moveTo(service, better)];
  }
  return [];
}

const moveTo = (service: KnownService, { id, incarnation }: FreeServer): ServiceMove => ({
  name: service.name,
  placedOn: id,
  ...(service.incarnation !== undefined && service.incarnation !== incarnation && { successor: incarnation }),
});

/** Who is to have it after all that was decided so far. */
function homeOf(service: KnownService, servers: readonly FreeServer[]): FreeServer | undefined {
  const { successor, incarnation, placedOn } = service;
  if (successor !== undefined) return servers.find((server) => server.incarnation === successor);
  if (incarnation !== undefined) return servers.find((server) => server.incarnation === incarnation);
  return servers.find((server) => server.id === placedOn);
}
