/** Callers that write through a pool without a break, and the checkers SET and BANK over what they were told. */
import { randomUUID } from "node:crypto";
import type pg from "pg";
import type { FailoverPool } from "@understudy/failover-pool";

const accounts = 64;

export async function prepareLoad(pool: pg.Pool): Promise<void> {
  await pool.query("CREATE TABLE kept (key uuid NOT NULL, what text NOT NULL)");
  await pool.query("CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)");
  await pool.query(`INSERT INTO account SELECT i, 100 FROM generate_series(1, ${accounts}) i`);
}

export interface LoadReport {
  readonly acknowledged: string[];
  readonly errors: unknown[];
  /** Of one operation. */
  longestMs: number;
}

export class Load {
  readonly report: LoadReport = { acknowledged: [], errors: [], longestMs: 0 };
  #isOver = false;
  readonly #callers: Promise<void>[] = [];

  constructor(
    private readonly pool: FailoverPool,
    callers: number,
  ) {
    for (let caller = 0; caller < callers; caller++) this.#callers.push(this.#call(caller));
  }

  get count(): number {
    return this.report.acknowledged.length;
  }

  /** Resolves when so many more operations have been acknowledged. */
  async more(operations: number): Promise<void> {
    const until = this.count + operations;
    const deadlineMs = performance.now() + 30_000;
    while (this.count < until && !this.#isOver) {
      if (performance.now() > deadlineMs) throw new Error(`${until - this.count} operations did not come.`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<LoadReport> {
    this.#isOver = true;
    await Promise.all(this.#callers);
    return this.report;
  }

  async #call(caller: number): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) {
      const key = randomUUID();
      const begunMs = performance.now();
      try {
        if (turn % 3 === 0) await this.pool.query("INSERT INTO kept (key, what) VALUES ($1, $2)", [key, "insert"]);
        else if (turn % 3 === 1) await this.#transfer(key, caller);
        else await this.#read(caller);
        if (turn % 3 !== 2) this.report.acknowledged.push(key);
      } catch (error) {
        this.report.errors.push(error);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      this.report.longestMs = Math.max(this.report.longestMs, performance.now() - begunMs);
    }
  }

  async #transfer(key: string, caller: number): Promise<void> {
    // Each caller has accounts of its own: what it reads, nobody else changes.
    const [from, to] = [1 + ((caller * 2) % accounts), 2 + ((caller * 2) % accounts)];
    await this.pool.transaction(async (client) => {
      const { rows } = await client.query<{ balance: number }>("SELECT balance FROM account WHERE id = $1", [from]);
      if ((rows[0]?.balance ?? 0) < 1) return;
      await client.query("UPDATE account SET balance = balance - 1 WHERE id = $1", [from]);
      await client.query("UPDATE account SET balance = balance + 1 WHERE id = $1", [to]);
      await client.query("INSERT INTO kept (key, what) VALUES ($1, 'transfer')", [key]);
    });
    // Nothing was transferred from an empty account: then the key must not be looked for.
    await this.pool.query(
      "INSERT INTO kept (key, what) SELECT $1, 'empty' WHERE NOT EXISTS (SELECT FROM kept WHERE key = $1)",
      [key],
    );
  }

  async #read(caller: number): Promise<void> {
    await this.pool.query("SELECT balance FROM account WHERE id = $1", [1 + (caller % accounts)]);
  }
}

export interface Checked {
  readonly lost: number;
  readonly doubled: number;
  readonly sum: number;
}

export async function check(
  query: (text: string) => Promise<Record<string, unknown>[]>,
  report: LoadReport,
): Promise<Checked> {
  const rows = await query("SELECT key::text AS key, count(*)::int AS n FROM kept GROUP BY key");
  const found = new Map(rows.map(({ key, n }) => [String(key), Number(n)]));
  const [sum] = await query("SELECT sum(balance)::int AS sum FROM account");
  return {
    lost: report.acknowledged.filter((key) => !found.has(key)).length,
    doubled: [...found.values()].filter((n) => n > 1).length,
    sum: Number(sum?.["sum"]),
  };
}

export const wholeSum = accounts * 100;
