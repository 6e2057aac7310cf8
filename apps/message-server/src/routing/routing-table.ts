/** The routing table as a pure function of registry and beats. */
import type { Beat, RegisteredServer, RoutingEntry } from "@understudy/contracts";

export interface RoutingFacts {
  readonly server: RegisteredServer;
  /** Latest beat of exactly this incarnation. */
  readonly beat: Beat | undefined;
  readonly isSuspect: boolean;
  /** Its end is known although the verdict has not been written yet. */
  readonly isGone: boolean;
}

/** Entries for all servers that may get requests, sorted by id. A server enters with its first ready beat. */
export function routingEntries(facts: readonly RoutingFacts[]): RoutingEntry[] {
  return facts
    .flatMap(({ server, beat, isSuspect, isGone }): RoutingEntry[] => {
      if (isGone || server.state === "lost" || server.state === "left") return [];
      const isDraining = server.state === "draining";
      if (!isDraining && beat?.ready !== true) return [];
      return [
        {
          id: server.instance.id,
          incarnation: server.instance.incarnation,
          machine: server.instance.machine,
          url: server.url,
          state: isDraining ? "draining" : isSuspect ? "suspect" : "accepting",
          load: beat?.load ?? 0,
          capacity: server.capacity,
        },
      ];
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Whether balancers must hear of it at once: everything but load. */
export const differsInStructure = (a: readonly RoutingEntry[], b: readonly RoutingEntry[]): boolean =>
  a.length !== b.length ||
  a.some((entry, index) => {
    const other = b[index];
    return (
      other === undefined ||
      entry.id !== other.id ||
      entry.incarnation !== other.incarnation ||
      entry.state !== other.state ||
      entry.url !== other.url ||
      entry.capacity !== other.capacity
    );
  });
