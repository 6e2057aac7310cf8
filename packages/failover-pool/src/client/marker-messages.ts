/**
 * The commit marker as messages of the extended protocol, sent in one write before COMMIT, without a Sync between: if
 * the marker is refused, the server skips COMMIT with everything up to the next Sync (P4).
 *
 * Its INSERT is prepared once for each connection. In text (`INSERT ..;COMMIT`) it would be parsed and planned for each
 * transaction: measured, a twentieth of a short transaction's work on the server.
 */
import { Buffer } from "node:buffer";
import type { PgConnection } from "../connection/pg-internals.ts";

export interface CommitMarker {
  /** With `$1` for the operation and `$2` for the attempt. */
  readonly text: string;
  readonly operation: string;
  readonly attempt: number;
}

const name = "understudy_marker";
const prepared = new WeakSet<PgConnection>();

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** Of the same name there may be one that nobody was told about: closed first, which is no error where it is not. */
function preparing(text: string): Buffer {
  return Buffer.concat([
    message("C", Buffer.from(`S${name}\0`)),
    // Types of parameters are those of the columns.
    message("P", Buffer.from(`${name}\0${text}\0`), Buffer.alloc(2)),
  ]);
}

/** Unnamed portal, text formats, two parameters follow. */
const bindHead = Buffer.concat([Buffer.from(`\0${name}\0`), Buffer.from([0, 0, 0, 2])]);
const resultFormats = Buffer.alloc(2);
const execute = message("E", Buffer.alloc(5));

function parameter(value: string): Buffer {
  const bytes = Buffer.from(`\0\0\0\0${value}`, "latin1");
  bytes.writeInt32BE(value.length, 0);
  return bytes;
}

export function markerMessages(connection: PgConnection, { text, operation, attempt }: CommitMarker): Buffer {
  const bind = message("B", bindHead, parameter(operation), parameter(String(attempt)), resultFormats);
  return Buffer.concat(prepared.has(connection) ? [bind, execute] : [preparing(text), bind, execute]);
}

/** The marker was written, or refused: whether its statement stands at the server. */
export function markerAnswered(connection: PgConnection, isWritten: boolean): void {
  if (isWritten) prepared.add(connection);
  else prepared.delete(connection);
}

/** DEALLOCATE and DISCARD may take it away. */
export const forgetMarkerStatement = (connection: PgConnection): boolean => prepared.delete(connection);
