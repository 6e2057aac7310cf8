/**
 * One statement and its commit marker in one: `WITH m AS (INSERT INTO understudy.commit_outcome .. VALUES ($3, $4)) INSERT ..`
 *
 * Why the row is there exactly if the statement commits (P4), from PostgreSQL's manual, 7.8.4: "Data-modifying
 * statements in WITH are executed exactly once, and always to completion, independently of whether the primary query
 * reads all (or indeed any) of their output." Both are one statement of one transaction: where the marker is refused
 * (its key is there: this attempt was given up), the whole statement is. Command tag, row count and rows are those of
 * the primary query.
 *
 * Two forms. Joined: as above. Counted, for writes whose number of rows nothing else would tell if the answer were lost
 * (UPDATE, DELETE, INSERT .. SELECT, ON CONFLICT, without RETURNING): the marker keeps it.
 *
 *     WITH work AS (UPDATE .. RETURNING 1) INSERT INTO understudy.commit_outcome (.., affected)
 *       SELECT $3::uuid, $4::int4, count(*) FROM work RETURNING affected
 *
 * Its one row is the number; whoever sends it gives the caller the result of an UPDATE of so many rows.
 *
 * What PostgreSQL itself refuses in this form, with nothing written: tables whose rules make several queries of one
 * (0A000), a session that may only read (25006). Such a statement goes into a transaction of its own instead.
 */
import { insertOf } from "./insert-statement.ts";
import type { Statement } from "./statement.ts";
import { isSymbol, isWord, tokensOf, type Token } from "./tokens.ts";
import { withClauseAt } from "./query-statement.ts";

export interface CommitMarkerTable {
  /** As it stands in SQL: `understudy.commit_outcome`. */
  readonly table: string;
  /** Columns of the key, in the order of the values: `["operation", "attempt"]`. */
  readonly columns: readonly string[];
  /** For the counted form: the column that takes the number of rows, and the types of the key's columns. */
  readonly counted?: { readonly column: string; readonly types: readonly string[] };
}

export interface MarkedStatement {
  readonly text: string;
  /** The key's values go behind the caller's: `[...values, operation, attempt]`. The caller must have given this many. */
  readonly callerParameters: number;
  /** Where text was put in (characters from the start), to correct the `position` of an error. */
  readonly insertedAt: number;
  readonly insertedLength: number;
  /** Its answer is one row with one number: that of the rows, for a tag that begins so (`UPDATE `, `INSERT 0 `). */
  readonly countedTag: string | undefined;
}

const mostParameters = 65_535;

/** A name that nothing in the statement has: a WITH query hides tables of the same name. */
function unusedName(statement: Statement): string {
  let name = "understudy_marker";
  while (statement.names.includes(name)) name += "_";
  return name;
}

const countedTags: Readonly<Record<string, string>> = { insert: "INSERT 0 ", update: "UPDATE ", delete: "DELETE " };

const hasReturning = (tokens: readonly Token[]): boolean => tokens.some((token) => isWord(token, "returning"));

/** Where the statement itself begins, its WITH left out. */
interface Place {
  readonly tokens: readonly Token[];
  readonly first: Token;
  readonly clause: ReturnType<typeof withClauseAt>;
}

function placeIn(text: string): Place | undefined {
  const tokens = tokensOf(text)?.filter((token) => !isSymbol(token, ";"));
  const first = tokens?.[0];
  if (tokens === undefined || first === undefined) return undefined;
  const clause = isWord(first, "with") ? withClauseAt(tokens, 0) : undefined;
  return isWord(first, "with") && clause === undefined ? undefined : { tokens, first, clause };
}

function countedForm(statement: Statement, marker: CommitMarkerTable, place: Place): MarkedStatement | undefined {
  const { text, verb, kind, highestParameter: callerParameters } = statement;
  const countedTag = countedTags[verb];
  const main = place.tokens.slice(place.clause?.mainAt ?? 0);
  const [begin, end] = [main[0]?.start, main.at(-1)?.end];
  if (marker.counted === undefined || kind !== "write" || countedTag === undefined) return undefined;
  if (begin === undefined || end === undefined || hasReturning(main) || insertOf(statement) !== undefined)
    return undefined;
  const name = unusedName(statement);
  const { column, types } = marker.counted;
  const key = types.map((type, index) => `$${callerParameters + 1 + index}::${type}`).join(", ");
  const inserted = `${place.clause === undefined ? "WITH" : ","} ${name} AS (`;
  return {
    text:
      `${text.slice(0, begin)}${inserted}${text.slice(begin, end)} RETURNING 1) ` +
      `INSERT INTO ${marker.table} (${[...marker.columns, column].join(", ")}) ` +
      `SELECT ${key}, count(*) FROM ${name} RETURNING ${column}`,
    callerParameters,
    insertedAt: begin,
    insertedLength: inserted.length,
    countedTag,
  };
}

function joinedForm(
  statement: Statement,
  marker: CommitMarkerTable,
  { tokens, first, clause }: Place,
): MarkedStatement {
  const { text, highestParameter: callerParameters } = statement;
  const parameters = marker.columns.map((_, index) => `$${callerParameters + 1 + index}`).join(", ");
  const query = `${unusedName(statement)} AS (INSERT INTO ${marker.table} (${marker.columns.join(", ")}) VALUES (${parameters}))`;
  const insertedAt = clause === undefined ? first.start : (tokens[clause.firstAt]?.start ?? first.start);
  const inserted = clause === undefined ? `WITH ${query} ` : `${query}, `;
  return {
    text: text.slice(0, insertedAt) + inserted + text.slice(insertedAt),
    callerParameters,
    insertedAt,
    insertedLength: inserted.length,
    countedTag: undefined,
  };
}

/**
 * The same statement with the marker's INSERT joined to it, for `write` and `call`; undefined where that is not
 * provably the same. In the joined form the parameters of the marker take their types from its table.
 */
export function markedStatement(statement: Statement, marker: CommitMarkerTable): MarkedStatement | undefined {
  const { kind, verb, text, highestParameter } = statement;
  if (kind !== "write" && kind !== "call") return undefined;
  if (verb === "truncate" || verb === "explain" || highestParameter + marker.columns.length > mostParameters)
    return undefined;
  const place = placeIn(text);
  return place && (countedForm(statement, marker, place) ?? joinedForm(statement, marker, place));
}
