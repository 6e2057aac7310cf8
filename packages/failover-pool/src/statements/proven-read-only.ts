/**
 * Whether running a statement can have had an effect, asked of the new primary's catalogue (P3: reads only).
 *
 * Names decide, not what they resolve to: a search path, overloads and polymorphic arguments cannot fool it. A
 * function is taken as harmless when every function of its name is immutable or stable, or one of PostgreSQL's own
 * volatile ones without effects (random). Views of any schema that bear a name of the text are read in turn, and the
 * row security policies of tables. Foreign tables are never proven.
 *
 * Believed: what the owner of a function declared. PostgreSQL keeps functions that are not volatile from writing
 * themselves. Operators and casts are believed to be as harmless as PostgreSQL's own are.
 */
import { analyseStatement } from "./analyse-statement.ts";
import { volatileButHarmless } from "./keywords.ts";
import type { Ask, Statement } from "./statement.ts";

/** $1 names that are called, $2 all names (a call may be written `row.function`), $3 harmless ones of PostgreSQL. */
const volatileFunctions = `
  SELECT p.proname
    FROM pg_catalog.pg_proc p
    LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid
   WHERE (p.proname = ANY ($1)
          OR (p.proname = ANY ($2) AND p.pronargs = 1 AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
              AND EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = p.proargtypes[0] AND t.typtype IN ('c', 'p'))))
     AND NOT (p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.proname = ANY ($3))
     AND (p.provolatile = 'v' OR p.prokind = 'p'
          OR EXISTS (SELECT FROM pg_catalog.pg_proc part
                      WHERE part.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
                        AND part.provolatile = 'v' AND part.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace))
   LIMIT 1`;

/** Definitions of views, conditions of policies, `null` for foreign tables; of what bears one of the names in $1. */
const definitions = `
  SELECT c.oid::pg_catalog.text AS oid,
         CASE c.relkind WHEN 'v' THEN ARRAY[pg_catalog.pg_get_viewdef(c.oid)]
                        WHEN 'f' THEN NULL
                        ELSE ARRAY(SELECT 'SELECT ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid)
                                     FROM pg_catalog.pg_policy p
                                    WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL) END AS texts
    FROM pg_catalog.pg_class c
   WHERE c.relname = ANY ($1)
     AND c.relnamespace NOT IN (SELECT n.oid FROM pg_catalog.pg_namespace n
                                 WHERE n.nspname IN ('pg_catalog', 'information_schema'))
     AND (c.relkind IN ('v', 'f') OR (c.relkind IN ('r', 'p') AND c.relrowsecurity))`;

const mostDefinitions = 200;

const isQuery = ({ kind, parts }: Statement): boolean =>
  kind === "several" ? parts.every(isQuery) : kind === "read" || kind === "call" || kind === "empty";

/** Their effects end with the session; in another one they are to be run again. */
const endsWithSession: ReadonlySet<Statement["kind"]> = new Set(["session", "listen", "unlisten"]);

async function callsOnlyHarmless(statement: Statement, ask: Ask): Promise<boolean> {
  const called = statement.functions.map(({ name }) => name);
  const { rows } = await ask(volatileFunctions, [called, statement.names, [...volatileButHarmless]]);
  return rows.length === 0;
}

/** Asks whether `statement` can have had an effect that outlives its session. False where the contrary is not proven. */
export async function isProvenReadOnly(statement: Statement, ask: Ask): Promise<boolean> {
  if (endsWithSession.has(statement.kind)) return statement.functions.length === 0;
  const waiting = [statement];
  const seen = new Set<unknown>();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (!isQuery(next) || next.sessionEffects.length > 0) return false;
    if (!(await callsOnlyHarmless(next, ask))) return false;
    const { rows } = await ask(definitions, [next.names]);
    for (const { oid, texts } of rows) {
      if (seen.has(oid)) continue;
      if (!Array.isArray(texts) || seen.size > mostDefinitions) return false;
      seen.add(oid);
      waiting.push(...texts.map((text) => analyseStatement(String(text))));
    }
  }
  return true;
}
