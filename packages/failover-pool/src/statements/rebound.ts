/**
 * Replay of an INSERT whose DEFAULTs the caller has already seen (P3): the values seen take the place of the DEFAULTs,
 * so that the caller's ids stay true.
 *
 *     INSERT INTO "t"("id", "name") VALUES (DEFAULT, $1) RETURNING "id"     seen: id = 7
 *     INSERT INTO "t"("id", "name") OVERRIDING SYSTEM VALUE VALUES ($2, $1) RETURNING "id"     with 7 behind
 *
 * Provable is: an explicit list of columns, rows of VALUES, DEFAULT as a whole value, one returned row for each row,
 * the column returned as itself. Everything else (columns that are not listed, ON CONFLICT, expressions) is left as it
 * is, and the comparison of results decides. A column that is always generated from others is refused by PostgreSQL.
 */
import type { Statement } from "./statement.ts";
import { insertOf, type Insert } from "./insert-statement.ts";
import { isIdentifier, isSymbol, isWord } from "./tokens.ts";

/** What the caller saw, as it came over the wire in text format (`DataRow` fields), not parsed: nothing is lost. */
export interface SeenResult {
  readonly fields: readonly { readonly name: string }[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface BoundValue {
  /** As it stands in the statement, quotes included. */
  readonly table: string;
  readonly column: string;
  readonly value: string | null;
}

export interface ReboundStatement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** What was bound: sequences behind these columns must not hand the same values out again (`sequence-catch-up.ts`). */
  readonly bound: readonly BoundValue[];
}

/** Where in a returned row `column` stands as itself. */
function placeOf(column: string, { returning, tableName }: Insert, seen: SeenResult): number | undefined {
  const [only] = returning;
  if (returning.length === 1 && only?.length === 1 && isSymbol(only[0], "*")) {
    const at = seen.fields.findIndex(({ name }) => name === column);
    return at === -1 ? undefined : at;
  }
  if (returning.length !== seen.fields.length) return undefined;
  const at = returning.findIndex((item) => {
    const isQualified = item.length === 3 && isSymbol(item[1], ".") && item[0]?.value === tableName;
    if (item.length !== 1 && !isQualified) return false;
    const name = item.at(-1);
    return isIdentifier(name) && name.value === column;
  });
  return at === -1 || seen.fields[at]?.name !== column ? undefined : at;
}

/** Undefined where nothing is to be bound or it is not provably the same: then replay as it is, and compare. */
export function rebound(
  statement: Statement,
  values: readonly unknown[],
  seen: SeenResult,
): ReboundStatement | undefined {
  const insert = insertOf(statement);
  if (insert === undefined || insert.overriding === "user" || insert.rows.length !== seen.rows.length) return undefined;
  const places = insert.columns.map((column) => placeOf(column, insert, seen));
  const changes: { readonly start: number; readonly end: number; readonly parameter: number }[] = [];
  const bound: BoundValue[] = [];
  for (const [rowAt, row] of insert.rows.entries()) {
    for (const [columnAt, [token, ...more]] of row.entries()) {
      const place = places[columnAt];
      if (token === undefined || more.length > 0 || !isWord(token, "default") || place === undefined) continue;
      const value = seen.rows[rowAt]?.[place];
      if (value === undefined) return undefined;
      bound.push({ table: insert.table, column: insert.columns[columnAt] ?? "", value });
      changes.push({ start: token.start, end: token.end, parameter: values.length + bound.length });
    }
  }
  if (bound.length === 0 || statement.highestParameter > values.length) return undefined;
  return {
    text: changed(statement.text, insert, changes),
    values: [...values, ...bound.map(({ value }) => value)],
    bound,
  };
}

function changed(
  text: string,
  { valuesAt, overriding }: Insert,
  changes: readonly { readonly start: number; readonly end: number; readonly parameter: number }[],
): string {
  const pieces = [text.slice(0, valuesAt), overriding === "system" ? "" : "OVERRIDING SYSTEM VALUE "];
  let at = valuesAt;
  for (const { start, end, parameter } of changes) {
    pieces.push(text.slice(at, start), `$${parameter}`);
    at = end;
  }
  return [...pieces, text.slice(at)].join("");
}
