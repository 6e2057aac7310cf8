/**
 * Whether the marker table can be used, and making it at first use.
 *
 * States: `unknown` (nobody has looked), `ready`, `unavailable` (why: the pool's role may not make or use it). Without
 * it writes go unmarked: a lost answer is then an `OutcomeUnknownError`, never a guess.
 */
import type { ServerConnection } from "../connection/server-connection.ts";
import { reasonOf, stateOf } from "../errors/error-table.ts";
import { markerTableMigration, type MarkerSql } from "./marker-table.ts";

/** Two pools that make it at once: one of them is told that it is there already. */
const madeByAnother = new Set(["23505", "42P06", "42P07"]);

export class MarkerStore {
  #state: "unknown" | "ready" | "unavailable" = "unknown";

  constructor(
    private readonly option: string | undefined,
    private readonly sql: MarkerSql,
    private readonly tellUnavailable: (reason: string) => void,
  ) {}

  get isReady(): boolean {
    return this.#state === "ready";
  }

  get isKnown(): boolean {
    return this.#state !== "unknown";
  }

  /** The table was not there when it was needed. */
  forget(): void {
    this.#state = "unknown";
  }

  giveUp(reason: string): void {
    this.#state = "unavailable";
    this.tellUnavailable(reason);
  }

  /** @throws what the connection throws when it is lost. */
  async make(connection: ServerConnection): Promise<void> {
    if (this.isKnown) return;
    for (let tries = 0; ; tries++) {
      const { rows } = await connection.ask(this.sql.isUsable, []);
      if (rows[0]?.["allowed"] === true) {
        this.#state = "ready";
        return;
      }
      if (rows[0]?.["exists"] === true) return this.giveUp(`the role lacks a right on ${this.sql.table}`);
      try {
        await connection.ask(markerTableMigration(this.option), []);
      } catch (error) {
        if (connection.isLost) throw error;
        if (!madeByAnother.has(stateOf(error)) || tries > 20)
          return this.giveUp(`${this.sql.table} cannot be made: ${reasonOf(error)}`);
      }
    }
  }
}
