/** What a server says of itself and of this session, in one query that standbys answer too. */
import type { ServerFacts } from "../primary/choose-primary.ts";

/** `pg_walfile_name` of the write position names the timeline of the running server; it is refused on a standby. */
export const identityQuery = `SELECT pg_is_in_recovery() AS is_standby,
  CASE WHEN pg_is_in_recovery() THEN '00000000' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline,
  (SELECT system_identifier::text FROM pg_control_system()) AS system,
  pg_postmaster_start_time()::text AS started_at,
  current_setting('synchronous_commit') AS synchronous_commit,
  (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint::text
     FROM pg_stat_get_activity(pg_backend_pid())) AS session_start`;

export interface SessionFacts extends ServerFacts {
  /** Microseconds; with the process id it names this session among all that this server ever had. */
  readonly sessionStart: string;
  readonly synchronousCommit: string;
}

export function sessionFacts(row: Readonly<Record<string, unknown>> | undefined): SessionFacts {
  if (row === undefined) throw new Error("The server did not say who it is.");
  return {
    isStandby: row["is_standby"] === true || row["is_standby"] === "t",
    timeline: Number.parseInt(String(row["timeline"]), 16),
    system: String(row["system"]),
    startedAt: String(row["started_at"]),
    sessionStart: String(row["session_start"]),
    synchronousCommit: String(row["synchronous_commit"]),
  };
}

/** D4: weaker than `on` means that an acknowledged commit can be on one instance only. */
export const isLoweredSynchronousCommit = (value: string): boolean => !["on", "remote_apply"].includes(value);
