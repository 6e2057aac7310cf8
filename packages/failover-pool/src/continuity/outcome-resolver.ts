/**
 * Forces the outcome of a commit whose answer was lost (P4), on a connection to the proven primary.
 *
 * States of one record: `open`, then `committed`, `not-committed`, or `unknown` (given up). A record that its caller
 * could not wait for stays here and is settled behind its back; the pool's event tells how.
 *
 * Invariants (proof: docs/decisions/0007-the-forced-outcome-of-a-commit.md):
 * - Committed is said only of a marker that is not ours, after a write behind it was replicated without a warning.
 * - Not committed is said only after our own tombstone stands under the same key, replicated without a warning.
 * - Every step may be repeated: a lost answer here changes nothing.
 */
import type { ServerConnection, SessionName } from "../connection/server-connection.ts";
import { kindOfError } from "../errors/error-table.ts";
import type { MarkerSql } from "./marker-table.ts";

export interface DoubtfulCommit {
  readonly operation: string;
  readonly attempt: number;
  /** The session that was told to commit. */
  readonly session: SessionName;
  /** Wall clock, for people. */
  readonly since: number;
  outcome: "open" | "committed" | "not-committed" | "unknown";
  endedAt?: number;
}

export type ForcedOutcome = "committed" | "not-committed";

/** True when nothing was said about a wait for replication that was cancelled. */
async function writeReplicated(
  connection: ServerConnection,
  text: string,
  values: readonly unknown[],
): Promise<{ readonly rowCount: number; readonly isReplicated: boolean }> {
  connection.syncWaitWasCancelled = false;
  const { rowCount } = await connection.ask(text, values);
  const isReplicated = !connection.syncWaitWasCancelled;
  connection.syncWaitWasCancelled = false;
  return { rowCount: rowCount ?? 0, isReplicated };
}

/** @throws what the connection throws; then nothing is known yet, and it is to be asked again on another one. */
export async function forceOutcome(
  connection: ServerConnection,
  sql: MarkerSql,
  commit: DoubtfulCommit,
): Promise<ForcedOutcome> {
  const key = [commit.operation, commit.attempt] as const;
  const session = [commit.session.pid, commit.session.startedAt] as const;
  await endLostSession(connection, sql, commit.session);
  const tombstone = await withoutConflicts(() => writeReplicated(connection, sql.writeTombstone, [...key, ...session]));
  if (tombstone.rowCount === 1 && tombstone.isReplicated) return "not-committed";
  const { rows } = await connection.ask(sql.readOutcome, key);
  // Pruned in this moment by nobody: keys of operations that are in doubt are never pruned by their own pool.
  if (rows.length === 0) throw new Error("The marker that was there is gone.");
  await confirmReplicated(connection, sql, commit);
  return rows[0]?.["is_tombstone"] === true ? "not-committed" : "committed";
}

/** Returns when a write behind everything seen so far has reached the standby. */
export async function confirmReplicated(
  connection: ServerConnection,
  sql: MarkerSql,
  { operation, attempt }: { readonly operation: string; readonly attempt: number },
): Promise<void> {
  for (;;) {
    const { isReplicated, rowCount } = await withoutConflicts(() =>
      writeReplicated(connection, sql.confirm, [operation, attempt]),
    );
    if (rowCount === 0) throw new Error("There is no marker to confirm.");
    if (isReplicated) return;
  }
}

/** A session that the server still keeps would hold its locks until its own time-outs. Best effort. */
export async function endLostSession(
  connection: ServerConnection,
  sql: MarkerSql,
  session: SessionName,
): Promise<void> {
  if (session.pid === 0) return;
  try {
    await connection.ask(sql.endSession, [session.pid, session.startedAt]);
  } catch (error) {
    if (connection.isLost) throw error;
  }
}

async function withoutConflicts<Value>(write: () => Promise<Value>): Promise<Value> {
  for (let tries = 0; ; tries++) {
    try {
      return await write();
    } catch (error) {
      // With a default isolation above READ COMMITTED, a conflict with the transaction in doubt comes as an error.
      if (kindOfError(error) !== "conflict" || tries >= 20) throw error;
    }
  }
}
