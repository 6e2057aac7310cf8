/** What goes over the wire for a statement of a caller, at the moment at which it is sent (again). */
import { prepareValue } from "../connection/pg-internals.ts";
import type { PoolCore } from "../pool/pool-core.ts";
import type { ClientQuery } from "./client-query.ts";
import type { TransactionRecord } from "./transaction-record.ts";

/** As it is now: a replay must send the same, whatever the caller does to its objects. */
const ownValue = (value: unknown): unknown => {
  const prepared = prepareValue(value);
  return prepared instanceof Uint8Array ? Buffer.from(prepared) : prepared;
};

/** @throws what `pg` throws for values that it cannot send. */
export function composeStatement(query: ClientQuery, record: TransactionRecord | undefined, core: PoolCore): void {
  const { use } = query;
  query.text = query.callerText;
  query.name = query.callerName;
  query.values = query.callerValues;
  query.begin = undefined;
  query.marker = undefined;
  query.countedTag = undefined;
  if (query.sentAs === "marked" && use?.marked !== undefined) {
    query.text = use.marked.text;
    query.countedTag = use.marked.countedTag;
    query.name = core.uses.nameOf(use);
    query.values = [...(query.callerValues ?? []), query.operation, query.attempt];
  } else if (query.sentAs === "in-transaction" && record !== undefined) {
    if (Array.isArray(query.values) && query.values.length > 0) query.values = query.values.map(ownValue);
    if (record.phase === "held") query.begin = record.begin;
  } else if (query.sentAs === "commit" && record !== undefined) {
    composeCommit(query, record, core);
  }
}

function composeCommit(query: ClientQuery, record: TransactionRecord, core: PoolCore): void {
  query.name = undefined;
  query.values = undefined;
  query.queryMode = undefined;
  if (record.phase === "failed") {
    query.text = "ROLLBACK";
    return;
  }
  if (!record.mayWrite || record.isReadOnly || !core.markers.isReady) return;
  query.operation ??= core.keys.next();
  query.attempt = record.attempt;
  query.marker = { text: core.marker.prepared, operation: query.operation, attempt: query.attempt };
}
