/**
 * The result of a write that is known to be committed and whose answer was lost: where statement and catalogue prove
 * it (`lost-result.ts`). Undefined where they do not: then the caller is told that it is committed and no more.
 */
import type { ServerConnection } from "../connection/server-connection.ts";
import { lostResult } from "../statements/lost-result.ts";
import { resultOfTag, type ClientQuery, type Results } from "./client-query.ts";
import type { ClientSession } from "./client-session.ts";

/** The marker kept the number. */
async function countedResult(
  tag: string,
  { operation, attempt }: ClientQuery,
  session: ClientSession,
  connection: ServerConnection,
): Promise<Results | undefined> {
  const { rows } = await connection.ask(session.core.marker.readAffected, [operation, attempt]);
  const affected = rows[0]?.["affected"];
  return typeof affected === "string" ? resultOfTag(`${tag}${affected}`, session.types) : undefined;
}

export async function knownResult(
  query: ClientQuery,
  session: ClientSession,
  connection: ServerConnection,
): Promise<Results | undefined> {
  const { use, callerValues = [], operation, attempt } = query;
  if (use === undefined || operation === undefined) return undefined;
  if (use.marked?.countedTag !== undefined) return countedResult(use.marked.countedTag, query, session, connection);
  const marker = { table: session.core.marker.table, operation, attempt };
  const known = await lostResult(use.statement, callerValues, marker, (text, values) => connection.ask(text, values));
  if (known === undefined) return undefined;
  const told = resultOfTag(known.tag, session.types);
  if (known.read === undefined) return told;
  // By the caller's own parsers and row mode.
  const { error, results } = await session.run(connection, {
    text: known.read.text,
    values: [...known.read.values],
    types: query.types,
    ...(query._rowMode !== undefined && { rowMode: query._rowMode }),
  });
  if (connection.isLost) throw connection.lostBy;
  if (error !== undefined || results === undefined || Array.isArray(results) || results.rows.length !== 1)
    return undefined;
  const { command, rowCount, oid } = told;
  return Object.assign(results, { command, rowCount, oid });
}
