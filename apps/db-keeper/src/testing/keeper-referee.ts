/**
 * What must hold in every simulated storm.
 *
 *   lost      whoever acknowledges a commit has every commit acknowledged before; one on an older timeline than
 *             somebody acknowledged on may only acknowledge what is on the newer one
 *   seen      whoever acknowledges a commit has everything that a client has ever been shown
 *   fence     a later term never opens a lower timeline, and another primary opens a higher one
 *   alone     (`available`) nobody acknowledges alone unless the entry in the store says that it is alone;
 *             (`strict`) nobody acknowledges alone at all
 *   progress  after the storm there is a primary that commits, and every member is in sync again
 */
import type { DatabaseEntry } from "@understudy/contracts";
import { synchronousOf } from "../decision/entry-rules.ts";
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

interface Checked {
  readonly there: Set<number>;
  read: number;
  acknowledged: number;
  seen: number;
}

export class KeeperReferee {
  /** In the order of their first time, so that a server is asked only about what is new since it was asked last. */
  readonly #acknowledged: number[] = [];
  readonly #seen: number[] = [];
  readonly #everSeen = new Set<number>();
  readonly #checked = new WeakMap<Server, Checked>();
  /** The server that acknowledged on the highest timeline. */
  #newest: Server | undefined;
  #opened: { term: number; timeline: number; primary: string } | undefined;

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  acknowledges(member: string, server: Server, record: number, entry: DatabaseEntry | undefined): void {
    const newest = this.#newest;
    if (newest === undefined || server.disk.timeline >= newest.disk.timeline) {
      this.has(member, server, "acknowledges");
      this.#newest = server;
    } else if (!newest.disk.log.includes(record)) {
      // An old primary may still learn that its standbys have a commit, the new primary among them.
      throw new KeeperViolation("lost", `${member} acknowledges ${record}, which the newer timeline does not have`);
    }
    this.#acknowledged.push(record);
    if (server.inForce.standbys.length > 0 || entry === undefined) return;
    if (entry.policy === "strict") throw new KeeperViolation("alone", `${member} acknowledges alone under strict`);
    if (synchronousOf(entry) > 0)
      throw new KeeperViolation(
        "alone",
        `${member} acknowledges alone while the entry counts on ${entry.inSync.join()}`,
      );
  }

  /** While it is primary its log only grows. */
  has(member: string, server: Server, does: string): void {
    const { log } = server.disk;
    const checked = this.#checked.get(server) ?? { there: new Set(), read: 0, acknowledged: 0, seen: 0 };
    this.#checked.set(server, checked);
    for (; checked.read < log.length; checked.read++) checked.there.add(log[checked.read] as number);
    for (; checked.acknowledged < this.#acknowledged.length; checked.acknowledged++) {
      const record = this.#acknowledged[checked.acknowledged] as number;
      if (!checked.there.has(record))
        throw new KeeperViolation("lost", `${member} ${does} without the acknowledged ${record}`);
    }
    for (; checked.seen < this.#seen.length; checked.seen++) {
      const record = this.#seen[checked.seen] as number;
      if (!checked.there.has(record))
        throw new KeeperViolation("seen", `${member} ${does} without ${record}, which was shown`);
    }
  }

  shows(server: Server): void {
    const { log } = server.disk;
    for (let index = server.shown; index < server.visible; index++) {
      const record = log[index] as number;
      if (this.#everSeen.has(record)) continue;
      this.#everSeen.add(record);
      this.#seen.push(record);
    }
    server.shown = server.visible;
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
