import type { Statement } from "./statement.ts";

/** What the caller saw, as it came over the wire in text format (`DataRow` fields), not parsed: nothing is lost. */
export interface SeenResult {
  readonly fields: readonly { readonly name: string }[];
  readonly rows: readonly (readonly (string | null)[])[];
}

export interface ReboundStatement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** What was bound: sequences behind these columns must not hand the same values out again (`sequence-catch-up.ts`). */
  readonly bound: readonly { readonly table: string; readonly column: string; readonly value: string }[];
}

/**
 * INSERT ... VALUES with DEFAULT whose values the caller has seen by RETURNING: the same rows with what was seen.
 * Undefined where nothing is to be bound or it is not provably the same: then replay as it is, and compare.
 */
export function rebound(
  statement: Statement,
  values: readonly unknown[],
  seen: SeenResult,
): ReboundStatement | undefined {
  void statement;
  void values;
  void seen;
  return undefined;
}
