/** BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin, word by word: what is not exactly one of them is unknown. */
import type { BeginOptions, StatementKind } from "./statement.ts";
import { isIdentifier, isSymbol, isWord, type Token } from "./tokens.ts";

export interface TransactionStatement {
  readonly kind: StatementKind;
  readonly name?: string;
  readonly begin?: BeginOptions;
  readonly isChained?: boolean;
}

const unknown: TransactionStatement = { kind: "unknown" };

interface Modes {
  isolation?: NonNullable<BeginOptions["isolation"]>;
  access?: NonNullable<BeginOptions["access"]>;
  deferrable?: boolean;
}

const isolations: Readonly<Record<string, NonNullable<BeginOptions["isolation"]>>> = {
  serializable: "serializable",
  "repeatable read": "repeatable read",
  "read committed": "read committed",
  "read uncommitted": "read uncommitted",
};

/** Of BEGIN and SET TRANSACTION; undefined where not understood. */
export function transactionModes(tokens: readonly Token[]): BeginOptions | undefined {
  if (tokens.some((token) => token.type !== "word" && !isSymbol(token, ","))) return undefined;
  const text = tokens.map((token) => token.value).join(" ");
  const modes: Modes = {};
  const pattern =
    /^(?:isolation level (serializable|repeatable read|read committed|read uncommitted)|(read only|read write)|(not )?(deferrable))(?: ,)?(?: |$)/;
  let rest = text;
  while (rest !== "") {
    const found = pattern.exec(rest);
    if (found === null) return undefined;
    const [whole, isolation, access, not, deferrable] = found;
    const level = isolations[isolation ?? ""];
    if (level !== undefined) modes.isolation = level;
    if (access === "read only" || access === "read write") modes.access = access;
    if (deferrable !== undefined) modes.deferrable = not === undefined;
    rest = rest.slice(whole.length);
  }
  return modes;
}

function begin(modes: readonly Token[]): TransactionStatement {
  const options = transactionModes(modes);
  return options === undefined ? unknown : { kind: "begin", begin: options };
}

/** `[AND [NO] CHAIN]`, or nothing. */
function ending(kind: "commit" | "rollback", rest: readonly Token[]): TransactionStatement {
  const words = rest.map((token) => (token.type === "word" ? token.value : "?")).join(" ");
  if (words === "" || words === "and no chain") return { kind };
  return words === "and chain" ? { kind, isChained: true } : unknown;
}

function named(kind: StatementKind, rest: readonly Token[]): TransactionStatement {
  // SAVEPOINT is optional before the name, and may be the name.
  const at = rest.length === 2 && isWord(rest[0], "savepoint") && kind !== "savepoint" ? 1 : 0;
  const name = rest[at];
  return isIdentifier(name) && rest.length === at + 1 ? { kind, name: name.value } : unknown;
}

/** Undefined where the first word is none of theirs. */
export function transactionStatement(tokens: readonly Token[]): TransactionStatement | undefined {
  const [first, second] = tokens;
  const behindWork = isWord(second, "work", "transaction") ? 2 : 1;
  if (isWord(first, "begin")) return begin(tokens.slice(behindWork));
  if (isWord(first, "start")) return isWord(second, "transaction") ? begin(tokens.slice(2)) : unknown;
  if (isWord(first, "commit", "rollback") && isWord(second, "prepared")) return { kind: "two-phase" };
  if (isWord(first, "commit", "end")) return ending("commit", tokens.slice(behindWork));
  if (isWord(first, "rollback", "abort")) {
    if (!isWord(tokens[behindWork], "to")) return ending("rollback", tokens.slice(behindWork));
    return isWord(first, "rollback") ? named("rollback-to", tokens.slice(behindWork + 1)) : unknown;
  }
  if (isWord(first, "savepoint")) return named("savepoint", tokens.slice(1));
  if (isWord(first, "release")) return named("release", tokens.slice(1));
  return undefined;
}
