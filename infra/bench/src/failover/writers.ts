/**
 * Callers that write one row after the other, each with an id of its own, and remember what they were told. The table
 * has no unique constraint, so that a row written twice shows.
 */
import { randomUUID } from "node:crypto";
import type { Pool } from "pg";

/** A way to write a row; rejects when it could not or does not know. */
export interface Contestant {
  readonly name: string;
  write(id: string, caller: number): Promise<void>;
  end(): Promise<void>;
}

export const tableOfWrites = "CREATE TABLE IF NOT EXISTS failover_writes (id uuid NOT NULL, caller int NOT NULL)";
export const writeRow = "INSERT INTO failover_writes (id, caller) VALUES ($1, $2)";

export interface Interruption {
  /** From the fault to the end of the longest time without any acknowledgement. */
  readonly resumedMs: number;
  /** From the fault until each caller was acknowledged again. */
  readonly allBackMs: number;
  /** The longest time without any. */
  readonly pauseMs: number;
}

export class Writers {
  /** Acknowledged to a caller. */
  readonly acknowledged = new Set<string>();
  /** Sent, whatever came of it: the table keeps what earlier rounds and other contestants wrote. */
  readonly #sent = new Set<string>();
  /** Attempts that ended with an error. */
  errors = 0;
  readonly #acknowledgements: { readonly at: number; readonly caller: number }[] = [];
  readonly #running: Promise<void>[] = [];
  #isStopped = false;

  constructor(
    private readonly contestant: Contestant,
    private readonly callers: number,
  ) {}

  start(): void {
    for (let caller = 0; caller < this.callers; caller++) this.#running.push(this.#run(caller));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #run(caller: number): Promise<void> {
    while (!this.#isStopped) {
      const id = randomUUID();
      this.#sent.add(id);
      try {
        await this.contestant.write(id, caller);
        this.acknowledged.add(id);
        this.#acknowledgements.push({ at: performance.now(), caller });
      } catch {
        this.errors += 1;
      }
    }
  }

  /** Callers that were acknowledged since `at`. */
  backSince(at: number): number {
    return new Set(this.#since(at).map(({ caller }) => caller)).size;
  }

  #since(at: number) {
    return this.#acknowledgements.filter((each) => each.at >= at);
  }

  /** What a fault at `faultAt` (performance.now()) did; ask when all callers are back. */
  interruption(faultAt: number): Interruption {
    let pauseMs = 0;
    let resumedAt = faultAt;
    let last = faultAt;
    for (const { at } of this.#since(faultAt)) {
      if (at - last > pauseMs) {
        pauseMs = at - last;
        resumedAt = at;
      }
      last = at;
    }
    const firstOf = new Map<number, number>();
    for (const { at, caller } of this.#since(resumedAt)) if (!firstOf.has(caller)) firstOf.set(caller, at);
    return { resumedMs: resumedAt - faultAt, allBackMs: Math.max(...firstOf.values()) - faultAt, pauseMs };
  }

  /** Holds what callers were told against the table. */
  async check(pool: Pool): Promise<{ readonly lost: number; readonly doubled: number }> {
    const { rows } = await pool.query<{ id: string; times: string }>(
      "SELECT id, count(*) AS times FROM failover_writes GROUP BY id",
    );
    const times = new Map(rows.map(({ id, times: count }) => [id, Number(count)]));
    const ids = [...this.acknowledged];
    return {
      lost: ids.filter((id) => !times.has(id)).length,
      doubled: [...times].filter(([id, count]) => count > 1 && this.#sent.has(id)).length,
    };
  }
}
