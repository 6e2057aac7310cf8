/** One look at a running PostgreSQL: the question and what its answer means. */
import { parseLogPosition } from "@understudy/engines";
import type { ClientBase } from "pg";

export interface SeenStandby {
  readonly member: string;
  readonly state: string;
  readonly syncState: string;
  readonly flushedAt: bigint;
  /** The standby's own clock: only a change means anything. */
  readonly repliedAt: string;
}

export interface Observation {
  readonly role: "primary" | "standby";
  /** Standby: of what it receives; 0 while it receives nothing. */
  readonly timeline: number;
  /** Primary: flushed. Standby: received and flushed. */
  readonly position: bigint;
  readonly replayed: bigint | undefined;
  readonly standbys: readonly SeenStandby[];
  /** Standby: a log receiver stands and has a connection. */
  readonly isReceiving: boolean;
  /** Standby: milliseconds since anything came from the primary, by the own machine's clock. */
  readonly heardMs: number | undefined;
}

interface Row {
  readonly recovering: boolean;
  readonly timeline: number | null;
  readonly position: string | null;
  readonly replayed: string | null;
  readonly receiving: boolean | null;
  readonly heard: number | null;
  readonly standbys: readonly {
    readonly member: string;
    readonly state: string;
    readonly sync: string;
    readonly flushed: string | null;
    readonly replied: string | null;
  }[];
}

// The functions of the other role raise errors, so each is asked only where it answers.
const question = `
SELECT pg_is_in_recovery() AS recovering,
  CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver)
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END AS timeline,
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END::text AS position,
  pg_last_wal_replay_lsn()::text AS replayed,
  (SELECT status = 'streaming' FROM pg_stat_wal_receiver) AS receiving,
  (SELECT extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8 * 1000 FROM pg_stat_wal_receiver) AS heard,
  COALESCE((SELECT json_agg(json_build_object('member', application_name, 'state', state, 'sync', sync_state,
    'flushed', flush_lsn::text, 'replied', reply_time)) FROM pg_stat_replication), '[]') AS standbys`;

const positionOf = (text: string | null): bigint => (text === null ? 0n : parseLogPosition(text));

export async function observe(client: ClientBase): Promise<Observation> {
  const { rows } = await client.query<Row>({ text: question, name: "observe" });
  const row = rows[0];
  if (row === undefined) throw new Error("PostgreSQL answered nothing.");
  return {
    role: row.recovering ? "standby" : "primary",
    timeline: row.timeline ?? 0,
    position: positionOf(row.position ?? row.replayed),
    replayed: row.replayed === null ? undefined : parseLogPosition(row.replayed),
    isReceiving: row.receiving ?? false,
    heardMs: row.heard ?? undefined,
    standbys: row.standbys.map(({ member, state, sync, flushed, replied }) => ({
      member,
      state,
      syncState: sync,
      flushedAt: positionOf(flushed),
      repliedAt: replied ?? "",
    })),
  };
}
