/**
 * The term in PostgreSQL (L2): committed by a new leader before its first effect there, and compared *inside* each of
 * its writing statements, under a row lock. A statement of an older leader that is under way holds the share lock,
 * so the new term waits for it; one that comes later finds another term and writes nothing.
 */
import type { ClientBase, Pool } from "pg";
import type { LeaderTerm } from "@understudy/contracts";
import { CallerError, InvariantError } from "@understudy/runtime";

export const leadershipSchema = `
  CREATE SCHEMA IF NOT EXISTS understudy;
  CREATE TABLE IF NOT EXISTS understudy.leadership (
    role        text PRIMARY KEY,
    term        bigint NOT NULL,
    holder      text NOT NULL,
    incarnation uuid NOT NULL,
    since       timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE IF NOT EXISTS understudy.leadership_term (
    role        text NOT NULL,
    term        bigint NOT NULL,
    holder      text NOT NULL,
    incarnation uuid NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (role, term)
  );
`;

/** A newer term stands in PostgreSQL: this leader has none any more. */
export class StaleTermError extends CallerError {
  constructor(role: string, term: number) {
    super("stale-term", `Term ${term} of ${role} is over; nothing was written.`);
  }
}

type Queryable = Pool | ClientBase;

/** The highest term committed for `role`, 0 when none. */
export async function highestTerm(database: Queryable, role: string): Promise<number> {
  const { rows } = await database.query<{ term: string }>("SELECT term FROM understudy.leadership WHERE role = $1", [
    role,
  ]);
  return Number(rows[0]?.term ?? 0);
}

/**
 * Commits the term. May be repeated for the same term and incarnation.
 * @throws StaleTermError when an equal or higher term of another incarnation stands there.
 */
export async function commitTerm(database: Queryable, role: string, leader: LeaderTerm): Promise<void> {
  const { term, holder } = leader;
  const { rowCount } = await database.query(
    `WITH claimed AS (
       INSERT INTO understudy.leadership AS current (role, term, holder, incarnation) VALUES ($1, $2, $3, $4)
       ON CONFLICT (role) DO UPDATE
         SET term = excluded.term, holder = excluded.holder, incarnation = excluded.incarnation, since = now()
         WHERE current.term < excluded.term
            OR (current.term = excluded.term AND current.incarnation = excluded.incarnation)
       RETURNING role, term, holder, incarnation
     ), noted AS (
       INSERT INTO understudy.leadership_term (role, term, holder, incarnation)
       SELECT role, term, holder, incarnation FROM claimed
       ON CONFLICT DO NOTHING
     )
     SELECT 1 FROM claimed`,
    [role, term, holder.id, holder.incarnation],
  );
  if (rowCount !== 1) throw new StaleTermError(role, term);
}

/**
 * Runs a writing statement of the leader. `statement` is one INSERT, UPDATE or DELETE with a RETURNING clause that
 * contains the condition `EXISTS (SELECT 1 FROM term_holds)`; its own parameters begin at $4.
 *
 * @returns the returned rows, by way of JSON: times are text, and what JavaScript's numbers cannot hold (integers
 *   beyond 2^53, long decimals) must be cast to text in the statement.
 * @throws StaleTermError when the term no longer holds; then nothing was written.
 *   InvariantError for a statement that does not ask `term_holds`: it would write under any term.
 */
export async function fencedWrite<Row extends object>(
  database: Queryable,
  role: string,
  leader: LeaderTerm,
  statement: string,
  values: readonly unknown[],
): Promise<Row[]> {
  if (!/\bterm_holds\b/.test(statement))
    throw new InvariantError("A fenced statement must contain EXISTS (SELECT 1 FROM term_holds).");
  const { rows } = await database.query<{ holds: boolean; written: Row[] | null }>(
    `WITH term_holds AS MATERIALIZED (
       SELECT 1 FROM understudy.leadership WHERE role = $1 AND term = $2 AND incarnation = $3 FOR SHARE
     ), written AS (${statement})
     SELECT EXISTS (SELECT 1 FROM term_holds) AS holds, (SELECT json_agg(to_json(written)) FROM written) AS written`,
    [role, leader.term, leader.holder.incarnation, ...values],
  );
  const row = rows[0];
  if (row?.holds !== true) throw new StaleTermError(role, leader.term);
  return row.written ?? [];
}
