/**
 * Checker BANK: clients move money between accounts, readers add all accounts up. The sum is the same on every read,
 * whatever dies meanwhile, and at the end each balance is what the acknowledged transfers make of it.
 *
 * It uses the failover-pool directly, as a service does: what the pool answers is what is checked. A transfer that the
 * pool says did not happen is tried again under the same id; one that it does not know the outcome of is looked up at
 * the end.
 */
import { pause, type FailoverPool } from "@understudy/runtime";
import { SeededRandom } from "./random.ts";

export interface BankOptions {
  readonly pool: FailoverPool;
  readonly clients: number;
  readonly readers: number;
  readonly accounts: number;
  readonly seed: number;
  readonly pauseMs: number;
}

export interface BankReport {
  readonly acknowledged: number;
  readonly reads: number;
  /** The pool told "nothing was committed" and the transfer was tried again, by the name of the error. */
  readonly triedAgain: Readonly<Record<string, number>>;
  /** The pool could not tell; looked up afterwards. */
  readonly unknown: number;
  /** Errors that say nothing about the outcome: a pool that survives has none. */
  readonly errors: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  /** Sums that were read and are wrong, transfers lost or done against the pool's word, balances that do not add up. */
  readonly violations: readonly string[];
}

const opening = 1_000;

type Outcome = "acknowledged" | "undone" | "unknown";

export class BankLoad {
  readonly #outcomes = new Map<string, Outcome>();
  readonly #triedAgain = new Map<string, number>();
  readonly #errors = new Map<string, number>();
  readonly #violations: string[] = [];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #reads = 0;
  #slowestMs = 0;

  constructor(private readonly options: BankOptions) {}

  async start(): Promise<void> {
    const { pool, accounts, clients, readers } = this.options;
    await pool.query("CREATE SCHEMA IF NOT EXISTS drill");
    await pool.query("DROP TABLE IF EXISTS drill.transfer, drill.account");
    await pool.query("CREATE TABLE drill.account (id int PRIMARY KEY, balance bigint NOT NULL)");
    await pool.query(
      "CREATE TABLE drill.transfer (id uuid PRIMARY KEY, source int NOT NULL, target int NOT NULL, amount bigint NOT NULL)",
    );
    await pool.query("INSERT INTO drill.account SELECT id, $1 FROM generate_series(1, $2::int) id", [
      opening,
      accounts,
    ]);
    this.#running = Promise.all([
      ...Array.from({ length: clients }, (_, index) => this.#transferOn(index)),
      ...Array.from({ length: readers }, () => this.#readOn()),
    ]);
  }

  /** Lets each client finish and holds everything against the database. */
  async stop(): Promise<BankReport> {
    this.#stop.abort();
    await this.#running;
    await this.#check();
    const count = (outcome: Outcome) => [...this.#outcomes.values()].filter((each) => each === outcome).length;
    return {
      acknowledged: count("acknowledged"),
      reads: this.#reads,
      triedAgain: Object.fromEntries(this.#triedAgain),
      unknown: count("unknown"),
      errors: Object.fromEntries(this.#errors),
      slowestMs: this.#slowestMs,
      violations: this.#violations,
    };
  }

  async #transferOn(client: number): Promise<void> {
    const random = new SeededRandom(this.options.seed * 1_000 + client);
    const account = () => 1 + Math.floor(random.next() * this.options.accounts);
    while (!this.#stop.signal.aborted) {
      const [source, target] = [account(), account()];
      const amount = 1 + Math.floor(random.next() * 10);
      if (source !== target) await this.#transfer(crypto.randomUUID(), source, target, amount);
      await pause(this.options.pauseMs, this.#stop.signal);
    }
  }

  async #transfer(id: string, source: number, target: number, amount: number): Promise<void> {
    const startedAt = performance.now();
    while (this.#outcomes.get(id) !== "acknowledged") {
      try {
        await this.options.pool.transaction(async (client) => {
          // In order of ids, so that two transfers never wait for each other.
          await client.query("SELECT id FROM drill.account WHERE id = ANY($1) ORDER BY id FOR UPDATE", [
            [source, target],
          ]);
          await client.query("UPDATE drill.account SET balance = balance - $2 WHERE id = $1", [source, amount]);
          await client.query("UPDATE drill.account SET balance = balance + $2 WHERE id = $1", [target, amount]);
          await client.query("INSERT INTO drill.transfer (id, source, target, amount) VALUES ($1, $2, $3, $4)", [
            id,
            source,
            target,
            amount,
          ]);
        });
        this.#outcomes.set(id, "acknowledged");
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedAt);
      } catch (error) {
        const { committed, name } = error as { committed?: string; name: string };
        this.#outcomes.set(id, committed === "no" ? "undone" : "unknown");
        add(committed === "no" ? this.#triedAgain : this.#errors, nameOf(error, name));
        if (committed !== "no" || this.#stop.signal.aborted) return;
        await pause(20, this.#stop.signal);
      }
    }
  }

  async #readOn(): Promise<void> {
    const right = String(opening * this.options.accounts);
    while (!this.#stop.signal.aborted) {
      try {
        const { rows } = await this.options.pool.query<{ sum: string }>(
          "SELECT sum(balance)::text AS sum FROM drill.account",
        );
        this.#reads += 1;
        const sum = rows[0]?.sum;
        if (sum !== right) this.#violations.push(`a read found ${sum} instead of ${right}`);
      } catch (error) {
        add(this.#errors, `read: ${nameOf(error, (error as Error).name)}`);
      }
      await pause(this.options.pauseMs, this.#stop.signal);
    }
  }

  async #check(): Promise<void> {
    const { pool } = this.options;
    const found = await pool.query<{ id: string }>("SELECT id FROM drill.transfer");
    const there = new Set(found.rows.map(({ id }) => id));
    for (const [id, outcome] of this.#outcomes) {
      if (outcome === "acknowledged" && !there.has(id)) this.#violations.push(`transfer ${id} was lost`);
      if (outcome === "undone" && there.has(id))
        this.#violations.push(`transfer ${id} was done against the pool's word`);
    }
    for (const id of there) {
      if (!this.#outcomes.has(id)) this.#violations.push(`transfer ${id} was never asked for`);
    }
    const wrong = await pool.query<{ id: number; balance: string; expected: string }>(
      `SELECT account.id, balance::text AS balance, expected::text AS expected
       FROM drill.account, LATERAL (
         SELECT $1::bigint + coalesce(sum(CASE WHEN target = account.id THEN amount ELSE -amount END), 0) AS expected
         FROM drill.transfer WHERE target = account.id OR source = account.id) made
       WHERE balance <> expected`,
      [opening],
    );
    for (const { id, balance, expected } of wrong.rows) {
      this.#violations.push(`account ${id} has ${balance}, its transfers make ${expected}`);
    }
  }
}

const add = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);

/** Errors of PostgreSQL are all called `error`; their code says more. */
const nameOf = (error: unknown, name: string): string => {
  const { code } = error as { code?: string };
  return name === "error" || name === "Error" ? (code ?? (error as Error).message) : name;
};
