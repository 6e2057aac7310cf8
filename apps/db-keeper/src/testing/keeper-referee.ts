/**
 * What must hold in every simulated storm.
 *
 *   lost      whoever acknowledges a commit has every commit acknowledged before
 *   seen      whoever acknowledges a commit has everything that a client has ever been shown
 *   fence     a later term never opens a lower timeline, and another primary opens a higher one
 *   alone     (`available`) nobody acknowledges alone unless the entry in the store says that it is alone;
 *             (`strict`) nobody acknowledges alone at all
 *   progress  after the storm there is a primary that commits, and every member is in sync again
 */
import type { DatabaseEntry } from "@understudy/contracts";
import type { Server } from "./simulated-postgres.ts";

export type KeeperProperty = "lost" | "seen" | "fence" | "alone" | "progress";

export class KeeperViolation extends Error {
  constructor(
    readonly property: KeeperProperty,
    text: string,
  ) {
    super(`(${property}) ${text}`);
    this.name = "KeeperViolation";
  }
}

export class KeeperReferee {
  readonly #acknowledged = new Set<number>();
  readonly #seen = new Set<number>();
  #opened: { term: number; timeline: number; primary: string } | undefined;

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  acknowledges(member: string, server: Server, record: number, entry: DatabaseEntry | undefined): void {
    this.has(member, server, "acknowledges");
    this.#acknowledged.add(record);
    if (server.inForce.standbys.length > 0 || entry === undefined) return;
    if (entry.policy === "strict") throw new KeeperViolation("alone", `${member} acknowledges alone under strict`);
    const others = entry.inSync.filter((other) => other !== member);
    if (others.length > 0)
      throw new KeeperViolation("alone", `${member} acknowledges alone while the entry counts on ${others.join()}`);
  }

  has(member: string, { disk }: Server, does: string): void {
    const there = new Set(disk.log);
    for (const record of this.#acknowledged)
      if (!there.has(record)) throw new KeeperViolation("lost", `${member} ${does} without the acknowledged ${record}`);
    for (const record of this.#seen)
      if (!there.has(record)) throw new KeeperViolation("seen", `${member} ${does} without ${record}, which was shown`);
  }

  shows(server: Server): void {
    for (const record of server.seen) this.#seen.add(record);
  }

  opens(primary: string, term: number, timeline: number): void {
    const before = this.#opened;
    if (before !== undefined && term >= before.term) {
      const isHigher = timeline > before.timeline;
      if (timeline < before.timeline || (primary !== before.primary && !isHigher))
        throw new KeeperViolation(
          "fence",
          `${primary} opens timeline ${timeline} in term ${term} after ${JSON.stringify(before)}`,
        );
    }
    if (before === undefined || term >= before.term) this.#opened = { term, timeline, primary };
  }
}
