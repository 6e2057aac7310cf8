/** What a statement means for the transaction that it stands in. Pure. */
import type { Statement, StatementKind } from "../statements/statement.ts";

/** Of these a transaction has nothing to lose: no marker is needed for them. */
const writesNothing: ReadonlySet<StatementKind> = new Set([
  "read",
  "empty",
  "savepoint",
  "rollback-to",
  "release",
  "set-local",
  "session",
  "begin",
  "rollback",
  "commit",
  "deallocate",
  "declare-cursor",
  "fetch",
  "close-cursor",
]);

export const mayWrite = (statement: Statement): boolean =>
  statement.kind === "several" ? statement.parts.some(mayWrite) : !writesNothing.has(statement.kind);

const ofSession: ReadonlySet<StatementKind> = new Set(["session", "listen", "unlisten", "empty"]);

/** Whatever it did went away with the session that was lost. */
export const touchesSessionOnly = ({ kind }: Statement): boolean => ofSession.has(kind);

const controls: ReadonlySet<StatementKind> = new Set(["begin", "commit", "rollback", "two-phase"]);

/** Transaction control inside a longer text, or a two-phase commit: a transaction may end there, unseen. */
export const mayEndTransaction = ({ kind, parts }: Statement): boolean =>
  kind === "two-phase" || (kind === "several" && parts.some((part) => controls.has(part.kind)));

export interface Recorded {
  /** One statement, which BEGIN can be sent together with. */
  readonly isOne: boolean;
  readonly unreplayable: string | undefined;
}

export function recordedAs(statement: Statement): Recorded {
  const { kind, parts } = statement;
  if (mayEndTransaction(statement))
    return { isOne: false, unreplayable: "it holds transaction control in a longer text" };
  if (kind === "copy" || parts.some((part) => part.kind === "copy"))
    return { isOne: false, unreplayable: "what COPY carried is not kept" };
  return { isOne: kind !== "several" && kind !== "unknown", unreplayable: undefined };
}

const named = /synchronous_commit["']?\s*(?:=|\bto\b|,)\s*['"]?([a-z0-9_]+)/gi;
const kept = new Set(["on", "remote_apply", "true", "yes", "default", "1"]);

/** D4. What cannot be read (a parameter) counts as lowered. */
export function lowersSynchronousCommit({ text }: Statement): boolean {
  if (/\breset\s+synchronous_commit\b/i.test(text)) return false;
  const values = [...text.matchAll(named)].map((match) => (match[1] ?? "").toLowerCase());
  return values.length === 0 || values.some((value) => !kept.has(value));
}
