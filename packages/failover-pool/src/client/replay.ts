/**
 * Runs a recorded transaction again on the session's connection, and compares each result with what the caller saw
 * (P3). Returns with the transaction open, just as its caller believes it to be; or throws, and nothing is committed.
 */
import type { ServerConnection } from "../connection/server-connection.ts";
import { kindOfError } from "../errors/error-table.ts";
import { ReplayDivergedError } from "../errors/pool-errors.ts";
import { bindableColumns } from "../statements/bindable-columns.ts";
import { rebound, type BoundValue } from "../statements/rebound.ts";
import { catchUpSequences } from "../statements/sequence-catch-up.ts";
import type { Ask } from "../statements/statement.ts";
import type { PgQueryConfig } from "../connection/pg-internals.ts";
import type { ClientSession } from "./client-session.ts";
import type { RecordedStatement, TransactionRecord } from "./transaction-record.ts";

/** The database undid the replay for the sake of another transaction: it may be tried again. */
export class ReplayConflictError extends Error {
  override readonly name = "ReplayConflictError";
}

const asRecorded = ({ text, name, values, queryMode, binary }: RecordedStatement): PgQueryConfig => ({
  text,
  ...(name !== undefined && { name }),
  ...(values !== undefined && { values }),
  ...(queryMode !== undefined && { queryMode }),
  ...(binary !== undefined && { binary }),
});

/**
 * What is sent: values that the database made are bound to what the caller saw, where that is provably the same and
 * the sequences behind them can be brought past them. Else the statement as it is, and the comparison decides.
 */
async function plannedStatements(
  connection: ServerConnection,
  record: TransactionRecord,
): Promise<readonly PgQueryConfig[]> {
  const ask: Ask = (text, values) => connection.ask(text, values);
  const bound: BoundValue[] = [];
  const planned: PgQueryConfig[] = [];
  for (const recorded of record.statements) {
    const { statement, values = [], seen } = recorded;
    const same =
      seen && seen.rows.length > 0
        ? rebound(statement, values, seen, await bindableColumns(statement, ask))
        : undefined;
    if (same !== undefined) bound.push(...same.bound);
    planned.push(same === undefined ? asRecorded(recorded) : { text: same.text, values: [...same.values] });
  }
  if (bound.length === 0) return planned;
  const isPast = await catchUpSequences(bound, ask);
  return isPast ? planned : record.statements.map(asRecorded);
}

async function rollBack(session: ClientSession, connection: ServerConnection): Promise<void> {
  const { error } = await session.run(connection, { text: "ROLLBACK" });
  if (error !== undefined) connection.destroy("ROLLBACK failed");
}

export async function replay(
  session: ClientSession,
  connection: ServerConnection,
  record: TransactionRecord,
): Promise<void> {
  session.core.counters.replays++;
  session.core.events.emit("replay", { statements: record.statements.length, attempt: record.attempt });
  const planned = await plannedStatements(connection, record);
  const begun = await session.run(connection, { text: record.begin });
  if (begun.error !== undefined) throw begun.error;
  for (const [index, recorded] of record.statements.entries()) {
    const { query, error } = await session.run(connection, planned[index] ?? asRecorded(recorded));
    if (connection.isLost) throw connection.lostBy;
    if (query.digest?.isSame(recorded.digest) === true) continue;
    if (error !== undefined && kindOfError(error) === "lost") throw error;
    await rollBack(session, connection);
    if (error !== undefined && kindOfError(error) === "conflict")
      throw new ReplayConflictError("The replay was undone for the sake of another transaction.", { cause: error });
    throw new ReplayDivergedError(
      recorded.text,
      index + 1,
      error === undefined ? "gave another result" : `failed: ${error.message}`,
    );
  }
}
