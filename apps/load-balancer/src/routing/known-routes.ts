/**
 * The routing table as this balancer knows it, and how fresh its word of the message server is.
 *
 * - R1. The newer table stays (`supersedes`); the last one is kept for ever: without a message server the balancer
 *   goes on with what it knows.
 * - R2. Only the message server's own word counts as hearing it: an event of the term that is known or a higher one. A
 *   table read from the store may be of any age; but that the store answered says that no other balancer knows more.
 */
import { supersedes, type RoutingTable } from "@understudy/contracts";

export class KnownRoutes {
  #table: RoutingTable | undefined;
  #heardAtMs: number | undefined;
  #comparedAtMs: number | undefined;
  readonly #listeners: ((table: RoutingTable) => void)[] = [];

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  get table(): RoutingTable | undefined {
    return this.#table;
  }

  /** Milliseconds since the message server was heard; undefined: never. */
  get silentMs(): number | undefined {
    return this.#heardAtMs === undefined ? undefined : this.nowMs() - this.#heardAtMs;
  }

  /** Milliseconds since the table was compared with the stored one; undefined: never. */
  get comparedMs(): number | undefined {
    return this.#comparedAtMs === undefined ? undefined : this.nowMs() - this.#comparedAtMs;
  }

  /** Called with each table that replaces the last. */
  onChange(listener: (table: RoutingTable) => void): void {
    this.#listeners.push(listener);
  }

  /** A table from the message server itself, or one that it stored. True when it replaced the last. */
  offer(table: RoutingTable, source: "event" | "stored"): boolean {
    if (source === "stored") this.#comparedAtMs = this.nowMs();
    else if (table.leader.term >= (this.#table?.leader.term ?? 0)) this.#heardAtMs = this.nowMs(); // R2
    if (!supersedes(table, this.#table)) return false; // R1
    this.#table = table;
    for (const listener of this.#listeners) listener(table);
    return true;
  }
}
