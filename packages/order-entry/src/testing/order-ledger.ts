/**
 * What the clients of a run know, to be held against what the database has (checker SET): an acknowledged order must be
 * there exactly once; one whose outcome nobody learned may be there or not, once at most; a refused one must not.
 */
import { randomBytes } from "node:crypto";
import type { Pool } from "pg";
import { cardinalityOf } from "../population/cardinality.ts";

export interface LedgerReport {
  readonly acknowledged: number;
  /** Keys that were acknowledged and are not there. */
  readonly lost: readonly string[];
  /** Ids of orders that no key leads to: written twice for one request. */
  readonly duplicated: readonly string[];
  /** Keys that lead to another order than the one acknowledged. */
  readonly altered: readonly string[];
  /** Keys of this ledger that are there although they were refused or never sent. */
  readonly unexpected: readonly string[];
  /** Outcomes that no client learned: there, and not there. */
  readonly recovered: number;
  readonly absent: number;
}

const keysPerQuery = 10_000;

export class OrderLedger {
  /** All keys begin with it: several ledgers can share a database. */
  readonly #prefix = `run-${randomBytes(6).toString("hex")}.`;
  readonly #acknowledged = new Map<string, string>();
  readonly #open = new Set<string>();
  readonly #refused = new Set<string>();
  #keys = 0;

  /** A new key; its outcome is unknown until somebody tells it. */
  newKey(): string {
    this.#keys += 1;
    const key = `${this.#prefix}${this.#keys}`;
    this.#open.add(key);
    return key;
  }

  acknowledge(key: string, orderId: string): void {
    this.#open.delete(key);
    this.#acknowledged.set(key, orderId);
  }

  refuse(key: string): void {
    this.#open.delete(key);
    this.#refused.add(key);
  }

  get acknowledged(): ReadonlyMap<string, string> {
    return this.#acknowledged;
  }
  /** Keys whose outcome nobody has learned yet. */
  get open(): ReadonlySet<string> {
    return this.#open;
  }

  /** True when a run may be called faultless. */
  static isClean(report: LedgerReport): boolean {
    return [report.lost, report.duplicated, report.altered, report.unexpected].every((list) => list.length === 0);
  }

  async check(pool: Pool): Promise<LedgerReport> {
    const there = await this.#ordersByKey(pool);
    const lost: string[] = [];
    const altered: string[] = [];
    for (const [key, orderId] of this.#acknowledged) {
      const found = there.get(key);
      if (found === undefined) lost.push(key);
      else if (found !== orderId) altered.push(key);
    }
    const unexpected = [...there.keys()].filter((key) => !this.#acknowledged.has(key) && !this.#open.has(key));
    const recovered = [...this.#open].filter((key) => there.has(key)).length;
    return {
      acknowledged: this.#acknowledged.size,
      lost,
      duplicated: await ordersWithoutKey(pool),
      altered,
      unexpected,
      recovered,
      absent: this.#open.size - recovered,
    };
  }

  async #ordersByKey(pool: Pool): Promise<Map<string, string>> {
    const there = new Map<string, string>();
    for (let after = ""; ;) {
      const { rows } = await pool.query<{ key: string; order_id: string }>(
        `SELECT i.key, i.order_id FROM order_entry.idempotency i JOIN order_entry.orders o ON o.id = i.order_id
         WHERE i.key > $1 AND i.key >= $2 AND i.key < $3 ORDER BY i.key LIMIT $4`,
        // "/" follows "." in ASCII: the end of everything that begins with the prefix.
        [after, this.#prefix, `${this.#prefix.slice(0, -1)}/`, keysPerQuery],
      );
      for (const row of rows) there.set(row.key, row.order_id);
      const last = rows.at(-1);
      if (last === undefined || rows.length < keysPerQuery) return there;
      after = last.key;
    }
  }
}

async function ordersWithoutKey(pool: Pool): Promise<string[]> {
  const first = await pool.query<{ density_percent: number }>("SELECT density_percent FROM order_entry.first_data");
  const { rows } = await pool.query<{ id: string }>(
    `SELECT o.id FROM order_entry.orders o WHERE o.number > $1
     AND NOT EXISTS (SELECT FROM order_entry.idempotency i WHERE i.order_id = o.id)`,
    [cardinalityOf(first.rows[0]?.density_percent ?? 0).ordersPerDistrict],
  );
  return rows.map(({ id }) => id);
}
