/**
 * One statement and its commit marker in one: `WITH m AS (INSERT INTO understudy.commit_outcome .. VALUES ($3, $4)) INSERT ..`
 *
 * Why the row is there exactly if the statement commits (P4), from PostgreSQL's manual, 7.8.4: "Data-modifying
 * statements in WITH are executed exactly once, and always to completion, independently of whether the primary query
 * reads all (or indeed any) of their output." Both are one statement of one transaction: where the marker is refused
 * (its key is there: this attempt was given up), the whole statement is. Command tag, row count and rows are those of
 * the primary query.
 *
 * What PostgreSQL itself refuses in this form, with nothing written: tables whose rules make several queries of one
 * (0A000), a session that may only read (25006). Such a statement goes into a transaction of its own instead.
 */
import type { Statement } from "./statement.ts";
import { isSymbol, isWord, tokensOf } from "./tokens.ts";
import { withClauseAt } from "./query-statement.ts";

export interface CommitMarkerTable {
  /** As it stands in SQL: `understudy.commit_outcome`. */
  readonly table: string;
  /** Columns of the key, in the order of the values: `["operation", "attempt"]`. */
  readonly columns: readonly string[];
}

export interface MarkedStatement {
  readonly text: string;
  /** The key's values go behind the caller's: `[...values, operation, attempt]`. The caller must have given this many. */
  readonly callerParameters: number;
  /** Where text was put in (characters from the start), to correct the `position` of an error. */
  readonly insertedAt: number;
  readonly insertedLength: number;
}

const mostParameters = 65_535;

/** A name that nothing in the statement has: a WITH query hides tables of the same name. */
function unusedName(statement: Statement): string {
  let name = "understudy_marker";
  while (statement.names.includes(name)) name += "_";
  return name;
}

/**
 * The same statement with the marker's INSERT joined to it, for `write` and `call`; undefined where that is not
 * provably the same. The parameters of the marker take their types from its table.
 */
export function markedStatement(statement: Statement, marker: CommitMarkerTable): MarkedStatement | undefined {
  const { kind, verb, text, highestParameter: callerParameters } = statement;
  if (kind !== "write" && kind !== "call") return undefined;
  if (verb === "truncate" || verb === "explain" || callerParameters + marker.columns.length > mostParameters)
    return undefined;
  const tokens = tokensOf(text)?.filter((token) => !isSymbol(token, ";"));
  const first = tokens?.[0];
  if (tokens === undefined || first === undefined) return undefined;
  const parameters = marker.columns.map((_, index) => `$${callerParameters + 1 + index}`).join(", ");
  const query = `${unusedName(statement)} AS (INSERT INTO ${marker.table} (${marker.columns.join(", ")}) VALUES (${parameters}))`;
  const clause = isWord(first, "with") ? withClauseAt(tokens, 0) : undefined;
  if (isWord(first, "with") && clause === undefined) return undefined;
  const insertedAt = clause === undefined ? first.start : (tokens[clause.firstAt]?.start ?? first.start);
  const inserted = clause === undefined ? `WITH ${query} ` : `${query}, `;
  return {
    text: text.slice(0, insertedAt) + inserted + text.slice(insertedAt),
    callerParameters,
    insertedAt,
    insertedLength: inserted.length,
  };
}
