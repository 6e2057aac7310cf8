import type { Ask, Statement } from "./statement.ts";

/** Asks the catalogue whether running `statement` can have had an effect. False where that is not proven. */
export async function isProvenReadOnly(statement: Statement, ask: Ask): Promise<boolean> {
  void statement;
  void ask;
  return false;
}
