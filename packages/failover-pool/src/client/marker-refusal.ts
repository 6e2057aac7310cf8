/** Errors that are about what the pool added to a statement, not about the caller's part of it. Pure. */
import { stateOf } from "../errors/error-table.ts";
import type { ClientQuery } from "./client-query.ts";

/** The table is not there, or the role may not use it. */
const aboutTable: ReadonlySet<string> = new Set(["42P01", "3F000", "42501"]);
/** The plan behind a name does not fit the tables any more; the name is gone (DISCARD ALL). */
const aboutName: ReadonlySet<string> = new Set(["0A000", "26000"]);
const readOnly = "25006";
/** More for one statement would mean that it is not about the marker after all. */
const mostRefusals = 3;

export function isAboutMarker(query: ClientQuery, error: Error, markerTable: string): boolean {
  if (query.operation === undefined || query.markerRefusals >= mostRefusals) return false;
  const state = stateOf(error);
  if (query.sentAs === "commit")
    return query.isMarkerOpen && (aboutTable.has(state) || aboutName.has(state) || state === readOnly);
  if (aboutName.has(state)) return query.name !== undefined;
  // A SELECT of functions may run in a read-only session, where its marker may not.
  if (state === readOnly) return query.use?.autocommit === "call";
  const [schema = "", table = ""] = markerTable.split(".");
  return aboutTable.has(state) && (error.message.includes(table) || error.message.includes(schema));
}

export type MarkerRemedy = "make-table" | "go-unmarked" | "new-name" | "give-up-markers";

export function remedyFor(error: Error): MarkerRemedy {
  const state = stateOf(error);
  if (state === "42P01" || state === "3F000") return "make-table";
  if (state === readOnly) return "go-unmarked";
  return aboutName.has(state) ? "new-name" : "give-up-markers";
}

/** Where in the caller's own text, not in the marked one. */
export function correctPosition(query: ClientQuery, error: Error & { position?: string }): void {
  const { marked } = query.use ?? {};
  const position = Number(error.position);
  if (marked === undefined || !(position > marked.insertedAt + marked.insertedLength)) return;
  error.position = String(position - marked.insertedLength);
}
