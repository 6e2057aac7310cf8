/** Which columns of an INSERT's table take a value: not those that PostgreSQL always computes from others. */
import { insertOf } from "./insert-statement.ts";
import type { Ask, Statement } from "./statement.ts";

/** $1 schema or null, $2 name; more than one table of that name, and a search path decides that is not known here. */
const columnsOf = `
  SELECT c.oid::pg_catalog.text AS oid, a.attname::pg_catalog.text AS name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ($1::pg_catalog.text IS NULL OR n.nspname = $1)
     AND a.attgenerated = ''`;

/** Undefined where the table is not known for sure. */
export async function bindableColumns(statement: Statement, ask: Ask): Promise<ReadonlySet<string> | undefined> {
  const insert = insertOf(statement);
  const name = insert?.path.at(-1);
  if (insert === undefined || name === undefined || insert.path.length > 2) return undefined;
  const { rows } = await ask(columnsOf, [insert.path.length === 2 ? insert.path[0] : null, name]);
  if (new Set(rows.map(({ oid }) => oid)).size !== 1) return undefined;
  return new Set(rows.map((row) => String(row["name"])));
}
