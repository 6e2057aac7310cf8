import { sessionLocks, volatileButHarmless, volatileByTransaction } from "./keywords.ts";
import { callsIn, queryShape } from "./query-statement.ts";
import type { SessionEffect, Statement, StatementKind } from "./statement.ts";
import { tokensOf, isIdentifier, isSymbol, isWord, type Token } from "./tokens.ts";
import { transactionModes, transactionStatement } from "./transaction-statement.ts";

type Finding = Partial<Omit<Statement, "text">> & { readonly kind: StatementKind };

const nothing: Omit<Statement, "text"> = {
  kind: "unknown",
  verb: "",
  isChained: false,
  sessionEffects: [],
  functions: [],
  names: [],
  hasVolatileResult: false,
  hasModifyingWith: false,
  locksRows: false,
  setsSynchronousCommit: false,
  highestParameter: 0,
  parts: [],
};

const queryVerbs = ["select", "values", "table", "insert", "update", "delete", "merge", "with"];

/** Inside SET and SET LOCAL: `local` and `session` may also be the first half of a setting's name. */
function setStatement(tokens: readonly Token[]): Finding {
  const isScope =
    isWord(tokens[1], "local", "session") &&
    ![".", "="].some((symbol) => isSymbol(tokens[2], symbol)) &&
    !(isWord(tokens[2], "to") && tokens.length > 3);
  const isLocal = isScope && isWord(tokens[1], "local");
  const what = tokens[isScope ? 2 : 1];
  if (isWord(tokens[1], "transaction")) {
    const begin = transactionModes(tokens.slice(2));
    const isSnapshot = isWord(tokens[2], "snapshot");
    return begin !== undefined && !isSnapshot
      ? { kind: "set-local", begin }
      : { kind: isSnapshot ? "set-local" : "unknown" };
  }
  if (isWord(what, "constraints") && !isScope) return { kind: "set-local" };
  const setsSynchronousCommit = isIdentifier(what) && what.value.toLowerCase() === "synchronous_commit";
  return isLocal
    ? { kind: "set-local", setsSynchronousCommit }
    : { kind: "session", sessionEffects: ["setting"], setsSynchronousCommit };
}

const isConcurrent = (tokens: readonly Token[]): boolean => tokens.some((token) => isWord(token, "concurrently"));

/** CREATE, ALTER, DROP: which of them PostgreSQL refuses inside a transaction. */
function schemaChange(tokens: readonly Token[]): Finding {
  const second = tokens[1];
  const isOutside = isWord(second, "database", "tablespace", "subscription", "system") || isConcurrent(tokens);
  const setsSynchronousCommit =
    isWord(tokens[0], "alter") && tokens.some((token) => isIdentifier(token) && token.value === "synchronous_commit");
  if (isOutside) return { kind: "not-in-transaction", setsSynchronousCommit };
  const isTemporary =
    isWord(tokens[0], "create") &&
    (tokens.slice(1, 5).some((token) => isWord(token, "temp", "temporary")) ||
      tokens.some((token) => isIdentifier(token) && token.value.startsWith("pg_temp")));
  return { kind: "ddl", sessionEffects: isTemporary ? ["temporary-object"] : [], setsSynchronousCommit };
}

/** The only name of a statement such as LISTEN x; absent for `*` and ALL. */
function named(kind: StatementKind, tokens: readonly Token[], effects: readonly SessionEffect[] = []): Finding {
  const name = tokens[1];
  return {
    kind,
    sessionEffects: effects,
    ...(isIdentifier(name) && !(name.type === "word" && name.value === "all") && { name: name.value }),
  };
}

function cursorStatement(tokens: readonly Token[]): Finding {
  const forAt = tokens.findIndex((token) => isWord(token, "for"));
  const head = tokens.slice(0, forAt === -1 ? tokens.length : forAt);
  const holds = head.some((token, at) => isWord(token, "with") && isWord(head[at + 1], "hold"));
  return named("declare-cursor", tokens, holds ? ["cursor-with-hold"] : []);
}

function explained(tokens: readonly Token[]): Finding {
  const queryAt = tokens.findIndex(
    (token, at) => at > 0 && isWord(token, ...queryVerbs, "execute", "declare", "create", "refresh"),
  );
  if (queryAt === -1) return { kind: "unknown" };
  const runs = tokens.slice(0, queryAt).some((token) => isWord(token, "analyze", "analyse"));
  const { kind } = finding(tokens.slice(queryAt));
  if (!runs) return { kind: "read" };
  return { kind: kind === "read" || kind === "call" ? kind : "unknown" };
}

function discard(tokens: readonly Token[]): Finding {
  return isWord(tokens[1], "all")
    ? { kind: "session", sessionEffects: ["discard"] }
    : { kind: "session", sessionEffects: ["other"] };
}

const byFirstWord: Readonly<Record<string, (tokens: readonly Token[]) => Finding>> = {
  set: setStatement,
  reset: () => ({ kind: "session", sessionEffects: ["setting"] }),
  discard,
  load: () => ({ kind: "session", sessionEffects: ["other"] }),
  show: () => ({ kind: "read" }),
  explain: explained,
  truncate: () => ({ kind: "write" }),
  listen: (tokens) => named("listen", tokens, ["listen"]),
  unlisten: (tokens) => named("unlisten", tokens, ["listen"]),
  notify: (tokens) => named("notify", tokens),
  copy: () => ({ kind: "copy" }),
  prepare: (tokens) =>
    isWord(tokens[1], "transaction") ? { kind: "two-phase" } : named("prepare", tokens, ["prepared-statement"]),
  execute: (tokens) => named("execute", tokens),
  deallocate: (tokens) =>
    named("deallocate", isWord(tokens[1], "prepare") && tokens.length > 2 ? tokens.slice(1) : tokens),
  declare: cursorStatement,
  fetch: (tokens) => named("fetch", tokens.slice(-2)),
  move: (tokens) => named("fetch", tokens.slice(-2)),
  close: (tokens) => named("close-cursor", tokens),
  lock: () => ({ kind: "lock" }),
  vacuum: () => ({ kind: "not-in-transaction" }),
  reindex: () => ({ kind: "not-in-transaction" }),
  cluster: () => ({ kind: "not-in-transaction" }),
  checkpoint: () => ({ kind: "not-in-transaction" }),
  create: schemaChange,
  alter: schemaChange,
  drop: schemaChange,
  ...Object.fromEntries(
    ["comment", "grant", "revoke", "analyze", "analyse", "refresh", "security", "reassign", "import"].map((verb) => [
      verb,
      (): Finding => ({ kind: "ddl" }),
    ]),
  ),
};

function finding(tokens: readonly Token[]): Finding {
  const [first] = tokens;
  if (isSymbol(first, "(") || isWord(first, ...queryVerbs)) return queryShape(tokens);
  const transaction = transactionStatement(tokens);
  if (transaction !== undefined) return transaction;
  if (first?.type !== "word" || !Object.hasOwn(byFirstWord, first.value ?? "")) return { kind: "unknown" };
  return byFirstWord[first.value ?? ""]?.(tokens) ?? { kind: "unknown" };
}

const isLockClause = (tokens: readonly Token[]): boolean =>
  tokens.some(
    (token, at) =>
      isWord(token, "for") &&
      (isWord(tokens[at + 1], "update", "share") ||
        (isWord(tokens[at + 1], "key") && isWord(tokens[at + 2], "share")) ||
        (isWord(tokens[at + 1], "no") && isWord(tokens[at + 2], "key"))),
  );

/** set_config('name', value, is_local): its arguments, as far as they are single tokens. */
function configChange(tokens: readonly Token[], at: number): { isLocal: boolean; setsSynchronousCommit: boolean } {
  const last: Token[] = [];
  let depth = 0;
  for (const token of tokens.slice(at + 1)) {
    if (isSymbol(token, "(")) depth++;
    if (isSymbol(token, ")") && --depth === 0) break;
    last.push(token);
  }
  const [first, second] = last.slice(1);
  const isPlain = first?.type === "string" && first.value !== undefined && isSymbol(second, ",");
  return {
    isLocal: isSymbol(last.at(-2), ",") && isWord(last.at(-1), "true"),
    setsSynchronousCommit: !isPlain || first.value?.toLowerCase() === "synchronous_commit",
  };
}

/** What the functions in it do to the session. */
function effectsOfCalls(tokens: readonly Token[]): { effects: SessionEffect[]; setsSynchronousCommit: boolean } {
  const effects = new Set<SessionEffect>();
  let setsSynchronousCommit = false;
  for (const [at, token] of tokens.entries()) {
    if (!isIdentifier(token) || !isSymbol(tokens[at + 1], "(")) continue;
    if (sessionLocks.has(token.value)) effects.add("advisory-lock");
    if (token.value === "setseed" || token.value === "dblink_connect") effects.add("other");
    if (token.value !== "set_config") continue;
    const change = configChange(tokens, at);
    if (!change.isLocal) effects.add("setting");
    setsSynchronousCommit ||= change.setsSynchronousCommit;
  }
  return { effects: [...effects], setsSynchronousCommit };
}

const isVolatileName = (token: Token): boolean =>
  isIdentifier(token) &&
  (volatileButHarmless.has(token.value) || volatileByTransaction.has(token.value) || token.value === "nextval");

function statementOf(text: string, tokens: readonly Token[]): Statement {
  const found = finding(tokens);
  const calls = effectsOfCalls(tokens);
  const functions = found.functions ?? callsIn(tokens);
  const [first] = tokens;
  return {
    ...nothing,
    verb: first?.type === "word" ? (first.value ?? "") : "",
    ...found,
    text,
    functions,
    names: [...new Set(tokens.filter(isIdentifier).map((token) => token.value))],
    sessionEffects: [...new Set([...(found.sessionEffects ?? []), ...calls.effects])],
    setsSynchronousCommit: found.setsSynchronousCommit === true || calls.setsSynchronousCommit,
    hasVolatileResult: tokens.some(isVolatileName),
    locksRows: isLockClause(tokens),
    highestParameter: tokens.reduce(
      (highest, { type, value }) => (type === "parameter" ? Math.max(highest, Number(value)) : highest),
      0,
    ),
  };
}

/** BEGIN ATOMIC .. END of CREATE FUNCTION holds semicolons that end nothing; counted as psql does. */
function splitAtSemicolons(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  let brackets = 0;
  let blocks = 0;
  for (const token of tokens) {
    const part = parts.at(-1) ?? [];
    if (isSymbol(token, "(")) brackets++;
    if (isSymbol(token, ")")) brackets--;
    if (isWord(part[0], "create") && part.slice(1, 4).some((word) => isWord(word, "function", "procedure"))) {
      if (isWord(token, "begin") || (blocks > 0 && isWord(token, "case"))) blocks++;
      if (blocks > 0 && isWord(token, "end")) blocks--;
    }
    if (isSymbol(token, ";") && brackets <= 0 && blocks === 0) {
      brackets = 0;
      parts.push([]);
    } else part.push(token);
  }
  return parts.filter((part) => part.length > 0);
}

function analyse(text: string): Statement {
  const tokens = tokensOf(text);
  if (tokens === undefined) return { ...nothing, text, hasVolatileResult: true };
  const parts = splitAtSemicolons(tokens);
  const [only] = parts;
  if (only === undefined) return { ...nothing, text, kind: "empty" };
  if (parts.length === 1) return statementOf(text, only);
  const statements = parts.map((part) => statementOf(text.slice(part[0]?.start, part.at(-1)?.end), part));
  return {
    ...nothing,
    text,
    kind: "several",
    sessionEffects: [...new Set(statements.flatMap((part) => part.sessionEffects))],
    functions: statements.flatMap((part) => part.functions),
    names: [...new Set(statements.flatMap((part) => part.names))],
    hasVolatileResult: statements.some((part) => part.hasVolatileResult),
    hasModifyingWith: statements.some((part) => part.hasModifyingWith),
    locksRows: statements.some((part) => part.locksRows),
    setsSynchronousCommit: statements.some((part) => part.setsSynchronousCommit),
    highestParameter: Math.max(...statements.map((part) => part.highestParameter)),
    parts: statements,
  };
}

const mostKept = 2_000;
const longestKept = 8_192;
const kept = new Map<string, Statement>();

/** Pure; results for the same text are kept (bounded), so asking again costs a look-up. */
export function analyseStatement(text: string): Statement {
  const known = kept.get(text);
  if (known !== undefined) return known;
  const statement = analyse(text);
  if (text.length > longestKept) return statement;
  if (kept.size >= mostKept) kept.clear();
  kept.set(text, statement);
  return statement;
}
