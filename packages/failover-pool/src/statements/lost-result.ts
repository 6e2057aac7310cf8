/**
 * The result of an INSERT that is known to be committed and whose answer was lost with the connection.
 *
 * How many rows: as many as VALUES has, unless a trigger or a rule could have dropped some; the catalogue says whether
 * the table has any. What RETURNING gave: the row whose `xmin`, the transaction that wrote it, is that of the commit
 * marker; it is not found when somebody changed it since, and then nothing is claimed. A row that is found is the one
 * that was inserted, as it was inserted: triggers that could have changed it later are refused.
 *
 * Transaction ids are compared only between rows that one statement wrote, never used as a name for an outcome (P4).
 */
import { insertOf, type Insert } from "./insert-statement.ts";
import type { Ask, Row, Statement } from "./statement.ts";
import { isIdentifier, isSymbol } from "./tokens.ts";

export interface CommittedMarker {
  /** As it stands in SQL, with columns `operation`, `attempt`, `written_by` (the transaction that wrote the marker). */
  readonly table: string;
  readonly operation: string;
  readonly attempt: number;
}

export interface LostResult {
  /** The command's tag: `INSERT 0 3`. */
  readonly tag: string;
  /** Gives the rows that RETURNING gave; exactly one, else nothing is known. Absent without RETURNING. */
  readonly read: { readonly text: string; readonly values: readonly unknown[] } | undefined;
}

/** $1 schema or null, $2 name. More than one row: a search path decides, which is not known here. */
const aboutTable = `
  SELECT c.relkind IN ('r', 'p') AND NOT c.relhasrules AS "isPlain",
         coalesce(trigger.drop, false) AS "mayDropRows",
         trigger.drop IS NOT NULL AS "mayChangeRows",
         ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_index i
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                WHERE i.indrelid = c.oid AND i.indisprimary) AS "keyColumns"
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   CROSS JOIN LATERAL (
         SELECT pg_catalog.count(*) AS n FROM pg_catalog.pg_class o
          WHERE o.relname = c.relname AND o.relkind IN ('r', 'p', 'v', 'm', 'f')) same
   CROSS JOIN LATERAL (
         SELECT pg_catalog.bool_or(t.tgtype & 3 = 3) AS drop FROM pg_catalog.pg_trigger t
          WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 4 = 4
            AND (t.tgrelid = c.oid OR t.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)))) trigger
   WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
     AND (n.nspname = $1 OR ($1 IS NULL AND same.n = 1))`;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** `*`, or columns as themselves; undefined where anything else is returned. */
function returnedColumns({ returning, tableName }: Insert): string | undefined {
  const [only] = returning;
  if (returning.length === 1 && only?.length === 1 && isSymbol(only[0], "*")) return "*";
  const columns: string[] = [];
  for (const item of returning) {
    const isQualified = item.length === 3 && isSymbol(item[1], ".") && item[0]?.value === tableName;
    const name = item.at(-1);
    if ((item.length !== 1 && !isQualified) || !isIdentifier(name)) return undefined;
    columns.push(quoted(name.value));
  }
  return columns.join(", ");
}

/** Equality with what was inserted into columns of the primary key, so that the row is found by its index. */
function keyConditions(
  insert: Insert,
  values: readonly unknown[],
  keyColumns: readonly unknown[],
): [string, unknown][] {
  const [row = []] = insert.rows;
  return insert.columns.flatMap((column, at): [string, unknown][] => {
    const [token, ...more] = row[at] ?? [];
    if (!keyColumns.includes(column) || token?.type !== "parameter" || more.length > 0) return [];
    const value = values[Number(token.value) - 1];
    return value === null || value === undefined ? [] : [[quoted(column), value]];
  });
}

function reading(insert: Insert, values: readonly unknown[], marker: CommittedMarker, about: Row): LostResult["read"] {
  const columns = returnedColumns(insert);
  const { keyColumns } = about;
  if (columns === undefined || insert.rows.length !== 1 || about["mayChangeRows"] !== false) return undefined;
  const conditions = keyConditions(insert, values, Array.isArray(keyColumns) ? keyColumns : []);
  const more = conditions.map(([column], at) => ` AND ${column} = $${at + 3}`).join("");
  return {
    text:
      `SELECT ${columns} FROM ${insert.table} WHERE xmin = ` +
      `(SELECT written_by::xid FROM ${marker.table} WHERE operation = $1 AND attempt = $2)${more}`,
    values: [marker.operation, marker.attempt, ...conditions.map(([, value]) => value)],
  };
}

/** Undefined where the result is not proven. `ask`: of the primary on which the marker was found. */
export async function lostResult(
  statement: Statement,
  values: readonly unknown[],
  marker: CommittedMarker,
  ask: Ask,
): Promise<LostResult | undefined> {
  const insert = insertOf(statement);
  const name = insert?.path.at(-1);
  if (insert === undefined || name === undefined || insert.path.length > 2) return undefined;
  const { rows } = await ask(aboutTable, [insert.path.length === 2 ? insert.path[0] : null, name]);
  const [about] = rows;
  if (about === undefined || rows.length > 1) return undefined;
  if (about["isPlain"] !== true || about["mayDropRows"] !== false) return undefined;
  const tag = `INSERT 0 ${insert.rows.length}`;
  if (insert.returning.length === 0) return { tag, read: undefined };
  const read = reading(insert, values, marker, about);
  return read && { tag, read };
}
