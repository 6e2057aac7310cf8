/** What the callers do: the three shapes of PEERS' measurement (16 callers, one operation at a time each). */
import { randomInt, randomUUID } from "node:crypto";
import type pg from "pg";

export const schema = `
  CREATE TABLE kv (id int PRIMARY KEY, v text NOT NULL);
  INSERT INTO kv SELECT i, repeat('v', 100) FROM generate_series(1, 10000) i;
  CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
  INSERT INTO account SELECT i, 1000 FROM generate_series(1, 64000) i;
  CREATE TABLE entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k uuid NOT NULL, caller int NOT NULL, v text NOT NULL);
  CREATE TABLE transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source int NOT NULL, target int NOT NULL, amount bigint NOT NULL);
`;

const padding = "x".repeat(100);
const insertEntry = "INSERT INTO entry (k, caller, v) VALUES ($1, $2, $3)";

/** A range of accounts of its own for each caller, so that nobody waits for another's lock. */
const accountsEach = 1_000;

export const workloads = {
  "SELECT by key": async (pool: pg.Pool) => {
    await pool.query("SELECT id, v FROM kv WHERE id = $1", [randomInt(1, 10_001)]);
  },
  "autocommit INSERT": async (pool: pg.Pool, caller: number) => {
    await pool.query(insertEntry, [randomUUID(), caller, padding]);
  },
  "4-statement transaction": async (pool: pg.Pool, caller: number) => {
    const first = caller * accountsEach + 1;
    const source = first + randomInt(accountsEach / 2);
    const target = first + accountsEach / 2 + randomInt(accountsEach / 2);
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query("UPDATE account SET balance = balance - 1 WHERE id = $1", [source]);
      await client.query("UPDATE account SET balance = balance + 1 WHERE id = $1", [target]);
      await client.query("INSERT INTO transfer (source, target, amount) VALUES ($1, $2, $3)", [source, target, 1]);
      await client.query(insertEntry, [randomUUID(), caller, padding]);
      await client.query("COMMIT");
    } finally {
      client.release();
    }
  },
} as const;
export type Workload = keyof typeof workloads;

export interface Throughput {
  /** Operations in a second. */
  readonly rate: number;
  /** CPU time of this process for one operation: what the pool itself costs, whatever else the computer does. */
  readonly cpuMicros: number;
}

export async function throughput(
  pool: pg.Pool,
  workload: Workload,
  { callers, seconds }: { readonly callers: number; readonly seconds: number },
): Promise<Throughput> {
  let done = 0;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1_000;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (performance.now() < endsAt) {
        await workloads[workload](pool, caller);
        done++;
      }
    }),
  );
  const { user, system } = process.cpuUsage(cpuBefore);
  return { rate: done / ((performance.now() - startedAt) / 1_000), cpuMicros: (user + system) / done };
}
