/** Checker FENCE: terms strictly rise, and no effect has an older term than an effect before it. */
import { readHistory } from "@understudy/contracts";
import type { NatsConnection } from "@nats-io/transport-node";
import { call } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import type { Pool } from "pg";

export interface FenceReport {
  readonly terms: number;
  readonly violations: readonly string[];
}

/** True when no value is below the one before. */
export const firstFall = (values: readonly number[]): number | undefined => {
  const index = values.findIndex((value, position) => position > 0 && value < (values[position - 1] ?? value));
  return index === -1 ? undefined : index;
};

export async function checkFence(pool: Pool, connection: NatsConnection): Promise<FenceReport> {
  const violations: string[] = [];
  const { rows } = await pool.query<{ term: string; incarnation: string }>(
    "SELECT term, incarnation FROM understudy.leadership_term WHERE role = 'message-server' ORDER BY at, term",
  );
  const terms = rows.map(({ term }) => Number(term));
  const fall = firstFall(terms);
  if (fall !== undefined) violations.push(`term ${terms[fall]} was committed after term ${terms[fall - 1]}`);
  const standing = await pool.query<{ term: string }>(
    "SELECT term FROM understudy.instance_standing ORDER BY changed_at",
  );
  const highest = Math.max(0, ...terms);
  for (const { term } of standing.rows) {
    if (Number(term) > highest) violations.push(`a standing carries term ${term}, which was never committed`);
  }
  const { entries } = await eventually(() => call(connection, readHistory, { limit: 1_000 }, { timeoutMs: 2_000 }), {
    withinMs: 30_000,
    describe: "the history can be read",
  });
  const written = entries.map(({ term }) => term);
  const late = firstFall(written);
  if (late !== undefined) violations.push(`history: term ${written[late]} wrote after term ${written[late - 1]}`);
  const holders = new Map<number, string>();
  for (const entry of entries) {
    const before = holders.get(entry.term);
    if (before !== undefined && before !== entry.writtenBy.incarnation)
      violations.push(`term ${entry.term} was held by two incarnations`);
    holders.set(entry.term, entry.writtenBy.incarnation);
  }
  return { terms: new Set(written).size, violations };
}
