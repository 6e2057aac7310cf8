/**
 * The table of commit markers (P4): made by migration or at first use, written with each commit, pruned by the pool.
 * The proof that its rules are enough: docs/decisions/0007-the-forced-outcome-of-a-commit.md.
 */

/** `schema.table` of plain lower-case names, so that no quoting can go wrong. */
export function markerTableName(option: string | undefined): { readonly schema: string; readonly table: string } {
  const [schema = "", table = "", ...rest] = (option ?? "understudy.commit_outcome").split(".");
  const isPlain = /^[a-z_][a-z0-9_]{0,62}$/;
  if (!isPlain.test(schema) || !isPlain.test(table) || rest.length > 0)
    throw new TypeError(`markerTable must be schema.table in plain lower-case names, not ${String(option)}.`);
  return { schema, table };
}

/** For those who give a pool's role no right to create: run it as the owner, then grant the pool's role all four rights. */
export function markerTableMigration(option?: string): string {
  const { schema, table } = markerTableName(option);
  return `CREATE SCHEMA IF NOT EXISTS ${schema};
CREATE TABLE IF NOT EXISTS ${schema}.${table} (
  operation     uuid        NOT NULL,
  attempt       integer     NOT NULL,
  is_tombstone  boolean     NOT NULL DEFAULT false,
  session_pid   integer,
  session_start bigint,
  confirmed     integer     NOT NULL DEFAULT 0,
  affected      bigint,
  written_by    xid8        NOT NULL DEFAULT pg_current_xact_id(),
  written_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (operation, attempt)
);`;
}

/** The session that a tombstone was written against still exists on this server: its late COMMIT could still come. */
const sessionLives = `EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.pid = o.session_pid
  AND (a.backend_start IS NULL OR (extract(epoch FROM a.backend_start) * 1000000)::bigint = o.session_start))`;

export interface MarkerSql {
  readonly table: string;
  /** One marker with parameters, to be sent in front of COMMIT. */
  readonly prepared: string;
  /** Text of one marker. Both values are ours: no quoting needed. */
  insert(operation: string, attempt: number): string;
  readonly writeTombstone: string;
  readonly readOutcome: string;
  /** How many rows the marked statement has written, as text; null where the marker does not know. */
  readonly readAffected: string;
  readonly confirm: string;
  readonly endSession: string;
  readonly isUsable: string;
  readonly pruneSettled: string;
  readonly pruneOld: string;
}

export function markerSql(option: string | undefined): MarkerSql {
  const { schema, table: name } = markerTableName(option);
  const table = `${schema}.${name}`;
  const insertHead = `INSERT INTO ${table}(operation,attempt)VALUES('`;
  return {
    table,
    prepared: `INSERT INTO ${table} (operation, attempt) VALUES ($1, $2)`,
    insert: (operation, attempt) => `${insertHead}${operation}',${attempt})`,
    // Waits for a transaction that has written this key and is still open, a wait for its standby included.
    writeTombstone: `INSERT INTO ${table} (operation, attempt, is_tombstone, session_pid, session_start)
      VALUES ($1, $2, true, $3, $4) ON CONFLICT DO NOTHING`,
    readOutcome: `SELECT is_tombstone FROM ${table} WHERE operation = $1 AND attempt = $2`,
    readAffected: `SELECT affected::text AS affected FROM ${table} WHERE operation = $1 AND attempt = $2`,
    // A write that waits for the standby: when it is acknowledged, everything before it in the log is there too.
    confirm: `UPDATE ${table} SET confirmed = confirmed + 1 WHERE operation = $1 AND attempt = $2`,
    // Ends what the lost session still holds, locks above all. Not one that waits for its standby: ended there, its
    // commit would be shown to others before it is safe (D4).
    endSession: `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
      WHERE a.pid = $1 AND (extract(epoch FROM a.backend_start) * 1000000)::bigint = $2::bigint
        AND a.wait_event IS DISTINCT FROM 'SyncRep'`,
    // One call per right: named together, any one of them would do.
    isUsable: `SELECT found IS NOT NULL AS exists, found IS NOT NULL AND has_table_privilege(found, 'INSERT')
        AND has_table_privilege(found, 'SELECT') AND has_table_privilege(found, 'UPDATE')
        AND has_table_privilege(found, 'DELETE') AS allowed
      FROM (SELECT to_regclass('${table}')::oid AS found) AS marker`,
    pruneSettled: `DELETE FROM ${table} o WHERE o.operation >= $1 AND o.operation < $2
      AND (NOT o.is_tombstone OR NOT ${sessionLives})`,
    // Of pools that are gone. Nobody asks for an outcome after an hour, so a week is more than enough; the second
    // condition keeps it right when the server's clock has jumped: all sessions of this role are younger.
    pruneOld: `DELETE FROM ${table} o WHERE o.written_at < now() - interval '7 days'
      AND o.written_at < (SELECT min(a.backend_start) FROM pg_stat_activity a WHERE a.usename = session_user)
      AND NOT ${sessionLives}`,
  };
}
