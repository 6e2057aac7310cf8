import type { Statement } from "./statement.ts";

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
  /** Where text was put in, to correct the `position` of an error. */
  readonly insertedAt: number;
  readonly insertedLength: number;
}

/** The same statement with the commit marker's INSERT joined to it; undefined where that is not provably the same. */
export function markedStatement(statement: Statement, marker: CommitMarkerTable): MarkedStatement | undefined {
  void statement;
  void marker;
  return undefined;
}
