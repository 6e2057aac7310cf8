/**
 * Replay of an INSERT whose DEFAULTs the caller has already seen (P3): the values seen take the place of the DEFAULTs,
 * so that the caller's ids stay true.
 *
 *     INSERT INTO "t"("id", "name") VALUES (DEFAULT, $1) RETURNING "id"     seen: id = 7
 *     INSERT INTO "t"("id", "name") OVERRIDING SYSTEM VALUE VALUES ($2, $1) RETURNING "id"     with 7 behind
 *
 *     INSERT INTO "t"("name") VALUES ($1) RETURNING "id"                     the same, where the catalogue tells
 *     INSERT INTO "t"("name", "id") OVERRIDING SYSTEM VALUE VALUES ($1, $2) RETURNING "id"
 *
 * Provable is: an explicit list of columns, rows of VALUES, DEFAULT as a whole value or a column that is not listed, one
 * returned row for each row, the column returned as itself. Everything else (ON CONFLICT, expressions) is left as it
 * is, and the comparison of results decides.
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

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Listed columns keep their place; the others are bound behind them. */
function columnsToBind(insert: Insert, seen: SeenResult, bindable: ReadonlySet<string> | undefined): string[] {
  const mayBind = (column: string): boolean => bindable?.has(column) ?? true;
  const returned = [...new Set(seen.fields.map(({ name }) => name))];
  const absent =
    bindable === undefined || insert.columnsEnd === undefined
      ? []
      : returned.filter((name) => !insert.columns.includes(name) && bindable.has(name));
  return [...insert.columns.filter(mayBind), ...absent].filter((name) => placeOf(name, insert, seen) !== undefined);
}

/**
 * `bindable`: the columns of the table that take a value (`bindable-columns.ts`); undefined where that is not known, then
 * only DEFAULTs that stand in the text are bound.
 * Undefined where nothing is to be bound or it is not provably the same: then replay as it is, and compare.
 */
export function rebound(
  statement: Statement,
  values: readonly unknown[],
  seen: SeenResult,
  bindable?: ReadonlySet<string>,
): ReboundStatement | undefined {
  const insert = insertOf(statement);
  if (insert === undefined || insert.overriding === "user" || insert.rows.length !== seen.rows.length) return undefined;
  const columns = columnsToBind(insert, seen, bindable);
  const edits: Edit[] = [];
  const bound: BoundValue[] = [];
  for (const [rowAt, row] of insert.rows.entries()) {
    for (const column of columns) {
      const columnAt = insert.columns.indexOf(column);
      const [token, ...more] = row[columnAt] ?? [];
      if (columnAt !== -1 && (token === undefined || more.length > 0 || !isWord(token, "default"))) continue;
      const value = seen.rows[rowAt]?.[placeOf(column, insert, seen) ?? -1];
      if (value === undefined) return undefined;
      bound.push({ table: insert.table, column, value });
      const parameter = `$${values.length + bound.length}`;
      const end = insert.rowEnds[rowAt] ?? 0;
      edits.push(token === undefined ? { start: end, end, text: `, ${parameter}` } : { ...token, text: parameter });
    }
  }
  if (bound.length === 0 || statement.highestParameter > values.length) return undefined;
  const absent = columns.filter((column) => !insert.columns.includes(column)).map((column) => `, ${quoted(column)}`);
  const { columnsEnd: listEnd = 0, valuesAt, overriding } = insert;
  if (absent.length > 0) edits.push({ start: listEnd, end: listEnd, text: absent.join("") });
  if (overriding === "no") edits.push({ start: valuesAt, end: valuesAt, text: "OVERRIDING SYSTEM VALUE " });
  return {
    text: edited(statement.text, edits),
    values: [...values, ...bound.map(({ value }) => value)],
    bound,
  };
}

/** Insertions at one place stay in their order. */
function edited(text: string, edits: readonly Edit[]): string {
  let at = 0;
  let result = "";
  for (const { start, end, text: piece } of edits.toSorted((one, other) => one.start - other.start)) {
    result += text.slice(at, start) + piece;
    at = end;
  }
  return result + text.slice(at);
}
