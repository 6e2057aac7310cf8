/**
 * Before values of sequences are bound again: the sequences behind them must be past them.
 *
 * The lost primary handed out an id for a transaction that never committed; the record of that step of the sequence
 * need not have reached the new primary, which would then hand the same id to somebody else. `nextval` until the
 * sequence is past it is safe beside others who do the same, as `setval` would not be.
 */
import type { BoundValue } from "./rebound.ts";
import type { Ask } from "./statement.ts";

/** Sequences that a column owns (serial, identity) or that its default calls. */
const sequencesOf = `
  WITH place AS (SELECT a.attrelid, a.attnum FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2)
  SELECT s.oid::pg_catalog.regclass::pg_catalog.text AS sequence
    FROM pg_catalog.pg_class s JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
   WHERE q.seqincrement > 0
     AND s.oid IN (
       SELECT d.objid FROM pg_catalog.pg_depend d JOIN place ON d.refobjid = attrelid AND d.refobjsubid = attnum
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       UNION ALL
       SELECT d.refobjid FROM pg_catalog.pg_attrdef f JOIN place ON f.adrelid = attrelid AND f.adnum = attnum
         JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
        WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)`;

/** A primary that was lost can be ahead by what was handed out within one round trip of replication. */
const mostSteps = 10_000;

const advance = `
  WITH RECURSIVE step (value, steps) AS (
    SELECT pg_catalog.nextval($1::pg_catalog.regclass), 1
     WHERE coalesce(pg_catalog.pg_sequence_last_value($1::pg_catalog.regclass) < $2::pg_catalog.int8, true)
    UNION ALL
    SELECT pg_catalog.nextval($1::pg_catalog.regclass), steps + 1
      FROM step WHERE value < $2::pg_catalog.int8 AND steps < ${mostSteps})
  SELECT coalesce(max(value) >= $2::pg_catalog.int8, true) AS "isPast" FROM step`;

/** False where a sequence is so far behind that it is not another one's delay: do not bind. */
export async function catchUpSequences(bound: readonly BoundValue[], ask: Ask): Promise<boolean> {
  const highest = new Map<string, { table: string; column: string; value: bigint }>();
  for (const { table, column, value } of bound) {
    if (value === null || !/^\d{1,19}$/.test(value)) continue;
    const key = JSON.stringify([table, column]);
    const number = BigInt(value);
    if ((highest.get(key)?.value ?? -1n) < number) highest.set(key, { table, column, value: number });
  }
  for (const { table, column, value } of highest.values()) {
    const { rows } = await ask(sequencesOf, [table, column]);
    for (const { sequence } of rows) {
      const answer = await ask(advance, [sequence, value.toString()]);
      if (answer.rows[0]?.["isPast"] !== true) return false;
    }
  }
  return true;
}
