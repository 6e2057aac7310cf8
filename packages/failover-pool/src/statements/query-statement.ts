/** SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE, MERGE, with or without WITH: what they are and call. */
import { clausesBehindBrackets, harmless, modifyingVerbs, neverFunctions, volatileButHarmless } from "./keywords.ts";
import type { ObjectName, StatementKind } from "./statement.ts";
import { behindBrackets, isIdentifier, isSymbol, isWord, type Token } from "./tokens.ts";

export interface WithClause {
  /** Indexes of the names that are followed by a list of columns, which looks like a call. */
  readonly names: readonly number[];
  /** Index of the first token behind WITH [RECURSIVE]. */
  readonly firstAt: number;
  /** Index of the first token of the statement itself. */
  readonly mainAt: number;
}

/** RECURSIVE may itself be the name of a WITH query. */
const firstNameAt = (tokens: readonly Token[], withAt: number): number =>
  isWord(tokens[withAt + 1], "recursive") && !isWord(tokens[withAt + 2], "as") && !isSymbol(tokens[withAt + 2], "(")
    ? withAt + 2
    : withAt + 1;

/** Undefined where it is not understood. */
export function withClauseAt(tokens: readonly Token[], withAt: number): WithClause | undefined {
  const names: number[] = [];
  const firstAt = firstNameAt(tokens, withAt);
  let at: number | undefined = firstAt;
  for (;;) {
    if (!isIdentifier(tokens[at])) return undefined;
    names.push(at++);
    if (isSymbol(tokens[at], "(")) at = behindBrackets(tokens, at);
    if (at === undefined || !isWord(tokens[at], "as")) return undefined;
    at++;
    if (isWord(tokens[at], "not")) at++;
    if (isWord(tokens[at], "materialized")) at++;
    if (!isSymbol(tokens[at], "(")) return undefined;
    at = behindBrackets(tokens, at);
    if (at === undefined) return undefined;
    at = behindSearchAndCycle(tokens, at);
    if (!isSymbol(tokens[at], ",")) return { names, firstAt, mainAt: at };
    at++;
  }
}

/** SEARCH DEPTH FIRST BY a, b SET c; CYCLE a SET b [TO .. DEFAULT ..] USING c. */
function behindSearchAndCycle(tokens: readonly Token[], from: number): number {
  let at = from;
  if (isWord(tokens[at], "search")) {
    while (at < tokens.length && !isWord(tokens[at], "set")) at++;
    at += 2;
  }
  if (isWord(tokens[at], "cycle")) {
    while (at < tokens.length && !isWord(tokens[at], "using")) at++;
    at += 2;
  }
  return at;
}

/** Behind a bracket, or with the word that must follow: wherever a verb begins a statement, one of these holds. */
function beginsModifying(tokens: readonly Token[], at: number): boolean {
  const [before, after] = [tokens[at - 1], tokens[at + 1]];
  if (isSymbol(before, "(") || isSymbol(before, ")")) return true;
  if (isWord(tokens[at], "insert", "merge")) return isWord(after, "into");
  if (isWord(tokens[at], "delete")) return isWord(after, "from");
  return !isWord(before, "for", "key") && tokens.some((token, other) => other > at && isWord(token, "set"));
}

/** Data-modifying WITH queries, and a little more: what looks like one is taken for one. */
export function modifiesInside(tokens: readonly Token[], mainAt: number): boolean {
  return tokens.some(
    (token, at) =>
      at !== mainAt && token.type === "word" && modifyingVerbs.has(token.value ?? "") && beginsModifying(tokens, at),
  );
}

/** `DISTINCT ON (..) f(..)` is the one place where a call stands directly behind a closing bracket. */
function isBehindDistinctOn(tokens: readonly Token[], closingAt: number): boolean {
  let depth = 0;
  for (let at = closingAt; at >= 0; at--) {
    if (isSymbol(tokens[at], ")")) depth++;
    else if (isSymbol(tokens[at], "(") && --depth === 0)
      return isWord(tokens[at - 1], "on") && isWord(tokens[at - 2], "distinct");
  }
  return true;
}

/** Words that stand before a bracket in a clause, told by the word before them. */
const clauses: Readonly<Record<string, readonly string[]>> = {
  by: ["order", "group", "partition"],
  sets: ["grouping"],
  rollup: ["by"],
  cube: ["by"],
  materialized: ["not"],
  zone: ["time"],
};

function isCall(tokens: readonly Token[], at: number, withNames: readonly number[]): boolean {
  const token = tokens[at];
  if (!isIdentifier(token) || !isSymbol(tokens[at + 1], "(") || withNames.includes(at)) return false;
  const before = tokens[at - 1];
  if (isSymbol(before, ".")) return true;
  if (token.type === "word" && neverFunctions.has(token.value)) return false;
  // AS t(a, b): names of columns.
  if (isWord(before, "as")) return false;
  // JOIN (SELECT ..): no function takes a bare query.
  if (isWord(tokens[at + 2], "select", "with", "values", "table")) return false;
  if (token.type === "word" && isWord(before, ...(clauses[token.value] ?? []))) return false;
  if (!isSymbol(before, ")")) return true;
  if (token.type === "word" && clausesBehindBrackets.has(token.value)) return false;
  return isBehindDistinctOn(tokens, at - 1);
}

/** Everything that could be the call of a function. */
export function callsIn(tokens: readonly Token[], withNames: readonly number[] = []): readonly ObjectName[] {
  const calls: ObjectName[] = [];
  for (let at = 0; at + 1 < tokens.length; at++) {
    if (!isCall(tokens, at, withNames)) continue;
    const name = tokens[at]?.value ?? "";
    const schema = isSymbol(tokens[at - 1], ".") ? tokens[at - 2] : undefined;
    calls.push(isIdentifier(schema) ? { schema: schema.value, name } : { name });
  }
  return calls;
}

/** One of PostgreSQL's own that changes nothing. */
export const isHarmlessCall = ({ schema, name }: ObjectName): boolean =>
  (schema === undefined || schema === "pg_catalog") && (harmless.has(name) || volatileButHarmless.has(name));

/** SELECT .. INTO, which makes a table; an INTO of INSERT or MERGE is another. */
const hasInto = (tokens: readonly Token[]): boolean =>
  tokens.some((token, at) => isWord(token, "into") && !isWord(tokens[at - 1], "insert", "merge"));

export interface QueryShape {
  readonly kind: StatementKind;
  readonly verb: string;
  readonly functions: readonly ObjectName[];
  readonly hasModifyingWith: boolean;
}

/** `tokens` begin with WITH, a bracket, or one of the verbs. */
export function queryShape(tokens: readonly Token[]): QueryShape {
  const clause = isWord(tokens[0], "with") ? withClauseAt(tokens, 0) : undefined;
  const functions = callsIn(tokens, clause?.names);
  const unknown: QueryShape = { kind: "unknown", verb: "", functions, hasModifyingWith: true };
  if (isWord(tokens[0], "with") && clause === undefined) return unknown;
  let mainAt = clause?.mainAt ?? 0;
  while (isSymbol(tokens[mainAt], "(")) mainAt++;
  const verb = tokens[mainAt]?.type === "word" ? (tokens[mainAt]?.value ?? "") : "";
  const hasModifyingWith = modifiesInside(tokens, mainAt);
  if (modifyingVerbs.has(verb)) return { kind: "write", verb, functions, hasModifyingWith };
  // (WITH ..) in brackets: its verb stands behind; SELECT is all that PostgreSQL takes there.
  const isQuery = verb === "select" || verb === "values" || verb === "table" || (mainAt > 0 && verb === "with");
  if (!isQuery) return unknown;
  if (hasModifyingWith) return { kind: "write", verb: "select", functions, hasModifyingWith };
  if (hasInto(tokens)) return { kind: "ddl", verb: "select into", functions, hasModifyingWith };
  return { kind: functions.every(isHarmlessCall) ? "read" : "call", verb, functions, hasModifyingWith };
}
