/** INSERT .. VALUES taken apart: only the plain form, without WITH, ON CONFLICT or a query as its source. */
import type { Statement } from "./statement.ts";
import { behindBrackets, isIdentifier, isSymbol, isWord, tokensOf, type Token } from "./tokens.ts";

export interface Insert {
  /** As it stands in the statement, quotes included. */
  readonly table: string;
  /** Its schema and name as PostgreSQL knows them. */
  readonly path: readonly string[];
  /** What may stand before a column in RETURNING. */
  readonly tableName: string;
  /** Empty where none are listed. */
  readonly columns: readonly string[];
  readonly overriding: "no" | "system" | "user";
  /** Where the list of columns closes in the text; undefined without a list. */
  readonly columnsEnd: number | undefined;
  /** Where VALUES stands in the text. */
  readonly valuesAt: number;
  /** Where each row closes. */
  readonly rowEnds: readonly number[];
  readonly rows: readonly (readonly (readonly Token[])[])[];
  /** Empty without RETURNING. */
  readonly returning: readonly (readonly Token[])[];
  /** Where the list of RETURNING begins in the text. */
  readonly returningAt: number;
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

type Target = Pick<Insert, "table" | "path" | "tableName"> & { readonly behind: number };

function targetOf(text: string, tokens: readonly Token[]): Target | undefined {
  if (!isWord(tokens[0], "insert") || !isWord(tokens[1], "into") || !isIdentifier(tokens[2])) return undefined;
  const path = [tokens[2].value];
  let last = 2;
  for (let next = tokens[4]; isSymbol(tokens[last + 1], ".") && isIdentifier(next); next = tokens[last + 2]) {
    path.push(next.value);
    last += 2;
  }
  const hasAlias = isWord(tokens[last + 1], "as");
  const named = tokens[hasAlias ? last + 2 : last];
  if (!isIdentifier(named)) return undefined;
  const table = text.slice(tokens[2].start, tokens[last]?.end);
  return { table, path, tableName: named.value, behind: hasAlias ? last + 3 : last + 1 };
}

/** The list of columns, if there is one; undefined where it is more than names. */
function columnsAt(tokens: readonly Token[], at: number): { columns: string[]; behind: number } | undefined {
  if (!isSymbol(tokens[at], "(")) return { columns: [], behind: at };
  const list = listAt(tokens, at);
  const columns: string[] = [];
  for (const [name, ...more] of list?.items ?? []) {
    if (!isIdentifier(name) || more.length > 0) return undefined;
    columns.push(name.value);
  }
  return list && { columns, behind: list.behind };
}

interface Rows {
  readonly rows: Token[][][];
  readonly rowEnds: number[];
  readonly behind: number;
}

function rowsAt(tokens: readonly Token[], valuesAt: number): Rows | undefined {
  const rows: Token[][][] = [];
  const rowEnds: number[] = [];
  let at = valuesAt;
  do {
    const row = listAt(tokens, at + 1);
    if (row === undefined) return undefined;
    rows.push(row.items);
    at = row.behind;
    rowEnds.push(tokens[at - 1]?.start ?? 0);
  } while (isSymbol(tokens[at], ","));
  return { rows, rowEnds, behind: at };
}

/** Undefined for every other statement, and where it is not understood. */
export function insertOf({ text, kind, verb }: Statement): Insert | undefined {
  if (kind !== "write" || verb !== "insert") return undefined;
  const tokens = tokensOf(text)?.filter((token) => !isSymbol(token, ";")) ?? [];
  const target = targetOf(text, tokens);
  const listed = target && columnsAt(tokens, target.behind);
  if (target === undefined || listed === undefined) return undefined;
  let at = listed.behind;
  const isOverriding = isWord(tokens[at], "overriding");
  const overriding = !isOverriding ? "no" : isWord(tokens[at + 1], "system") ? "system" : "user";
  if (isOverriding) at += 3;
  if (!isWord(tokens[at], "values")) return undefined;
  const valuesAt = tokens[at]?.start ?? 0;
  const values = rowsAt(tokens, at);
  if (values === undefined) return undefined;
  const { rows, rowEnds, behind } = values;
  if (listed.columns.length > 0 && rows.some((row) => row.length !== listed.columns.length)) return undefined;
  const columnsEnd = listed.columns.length > 0 ? tokens[listed.behind - 1]?.start : undefined;
  const insert = { ...target, columns: listed.columns, columnsEnd, overriding, valuesAt, rows, rowEnds } as const;
  if (behind === tokens.length) return { ...insert, returning: [], returningAt: text.length };
  if (!isWord(tokens[behind], "returning") || isWord(tokens[behind + 1], "with")) return undefined;
  const list = tokens.slice(behind + 1);
  return { ...insert, returning: separated(list), returningAt: list[0]?.start ?? text.length };
}
