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
import { behindBrackets, isIdentifier, isSymbol, isWord, tokensOf, type Token } from "./tokens.ts";

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

interface Insert {
  readonly table: string;
  /** What may stand before a column in RETURNING. */
  readonly tableName: string;
  readonly columns: readonly string[];
  readonly isOverriding: boolean;
  /** Behind the list of columns. */
  readonly valuesAt: number;
  readonly rows: readonly (readonly (readonly Token[])[])[];
  readonly returning: readonly (readonly Token[])[];
}

/** What stands between commas, brackets respected. */
function separated(tokens: readonly Token[]): Token[][] {
  const items: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (isSymbol(token, "(") || isSymbol(token, "[")) depth++;
    if (isSymbol(token, ")") || isSymbol(token, "]")) depth--;
    if (depth === 0 && isSymbol(token, ",")) items.push([]);
    else items.at(-1)?.push(token);
  }
  return items;
}

/** Reads brackets at `at`: their items and what is behind. */
function listAt(tokens: readonly Token[], at: number): { items: Token[][]; behind: number } | undefined {
  const behind = isSymbol(tokens[at], "(") ? behindBrackets(tokens, at) : undefined;
  return behind === undefined ? undefined : { items: separated(tokens.slice(at + 1, behind - 1)), behind };
}

function targetAt(
  text: string,
  tokens: readonly Token[],
): { table: string; tableName: string; behind: number } | undefined {
  if (!isWord(tokens[0], "insert") || !isWord(tokens[1], "into") || !isIdentifier(tokens[2])) return undefined;
  let last = 2;
  while (isSymbol(tokens[last + 1], ".") && isIdentifier(tokens[last + 2])) last += 2;
  const table = text.slice(tokens[2].start, tokens[last]?.end);
  const hasAlias = isWord(tokens[last + 1], "as");
  const named = tokens[hasAlias ? last + 2 : last];
  if (!isIdentifier(named)) return undefined;
  return { table, tableName: named.value, behind: hasAlias ? last + 3 : last + 1 };
}

function insertOf({ text, kind, verb }: Statement): Insert | undefined {
  const tokens = kind === "write" && verb === "insert" ? tokensOf(text)?.filter((token) => !isSymbol(token, ";")) : [];
  const target = targetAt(text, tokens ?? []);
  if (tokens === undefined || target === undefined) return undefined;
  const columns = listAt(tokens, target.behind);
  if (columns === undefined || columns.items.some((item) => item.length !== 1 || !isIdentifier(item[0])))
    return undefined;
  let at = columns.behind;
  const isOverriding = isWord(tokens[at], "overriding");
  if (isOverriding && !isWord(tokens[at + 1], "system")) return undefined;
  if (isOverriding) at += 3;
  if (!isWord(tokens[at], "values")) return undefined;
  const valuesAt = tokens[at]?.start ?? 0;
  const rows: Token[][][] = [];
  do {
    const row = listAt(tokens, at + 1);
    if (row === undefined || row.items.length !== columns.items.length) return undefined;
    rows.push(row.items);
    at = row.behind;
  } while (isSymbol(tokens[at], ","));
  if (!isWord(tokens[at], "returning") || isWord(tokens[at + 1], "with")) return undefined;
  const returning = separated(tokens.slice(at + 1));
  const names = columns.items.map(([name]) => name?.value ?? "");
  return { ...target, columns: names, isOverriding, valuesAt, rows, returning };
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
  if (insert === undefined || insert.rows.length !== seen.rows.length) return undefined;
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
  { valuesAt, isOverriding }: Insert,
  changes: readonly { readonly start: number; readonly end: number; readonly parameter: number }[],
): string {
  const pieces = [text.slice(0, valuesAt), isOverriding ? "" : "OVERRIDING SYSTEM VALUE "];
  let at = valuesAt;
  for (const { start, end, parameter } of changes) {
    pieces.push(text.slice(at, start), `$${parameter}`);
    at = end;
  }
  return [...pieces, text.slice(at)].join("");
}
