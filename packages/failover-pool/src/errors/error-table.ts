/**
 * What an error means for the pool, in one table. Pure.
 *
 * lost: the connection is gone. What was in work may have happened or not.
 * not-primary: the server is a standby, or not writable; nothing of this statement happened.
 * starting: the server is there and does not take connections yet (or no longer).
 * kept-out: pg_hba.conf keeps us out; a keeper does so while a new primary is not ready for clients.
 * full: no connection slot is free; asking again later may help.
 * told: about who we are or what we asked for. Told to the caller at once, never a reason to look for another host.
 * ended: the server ended the session by a rule of its owner (time-outs of a session or transaction).
 * conflict: the transaction was undone for the sake of another one.
 * statement: everything else; the caller's, exactly as `pg` gives it.
 */
export type ErrorKind =
  | "lost"
  | "not-primary"
  | "starting"
  | "kept-out"
  | "full"
  | "told"
  | "ended"
  | "conflict"
  | "statement";

const byState: Readonly<Record<string, ErrorKind>> = {
  "57P01": "lost", // admin_shutdown: pg_terminate_backend, or the server stops
  "57P02": "lost", // crash_shutdown: another backend crashed, all are ended
  "57P03": "starting", // cannot_connect_now: starting up, shutting down, in recovery without hot_standby
  "57P04": "told", // database_dropped
  "57P05": "ended", // idle_session_timeout
  "25P03": "ended", // idle_in_transaction_session_timeout
  "25P04": "ended", // transaction_timeout
  "25006": "not-primary", // read_only_sql_transaction; also of a transaction that was begun READ ONLY
  "53300": "full", // too_many_connections
  "28P01": "told", // invalid_password
  "28000": "told", // invalid_authorization_specification; see `kept-out`
  "3D000": "told", // the database does not exist
  "42501": "statement", // insufficient_privilege: at login (CONNECT is refused) and in statements
  "40001": "conflict", // serialization_failure
  "40P01": "conflict", // deadlock_detected
  "53100": "statement", // disk_full: the primary lives and says why it cannot; another host would not have more
};

/** Connection exceptions, except 08P01: that is a message we composed wrongly. */
const lostClass = "08";

/** Of sockets and of name resolution. Source: Node's `errno` names as `net` and `dns` report them. */
const lostCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "ENOTCONN",
  "ENOENT", // a unix socket that is not there
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_WRITE_AFTER_END",
  "ERR_SOCKET_CLOSED",
]);

/** `pg` gives these no code. Source: pg 8.23 lib/client.js, lib/connection.js. */
const lostMessages = [
  "Connection terminated",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
  "There was an error establishing an SSL connection",
  "timeout expired",
];

const text = (value: unknown, key: string): string => {
  if (typeof value !== "object" || value === null || !(key in value)) return "";
  const found = (value as Record<string, unknown>)[key];
  return typeof found === "string" ? found : "";
};

export const stateOf = (error: unknown): string => text(error, "code");

export function kindOfError(error: unknown): ErrorKind {
  const code = stateOf(error);
  if (code === "28000" && text(error, "routine") === "ClientAuthentication") return "kept-out";
  const known = byState[code];
  if (known !== undefined) return known;
  if (lostCodes.has(code)) return "lost";
  if (/^[0-9A-Z]{5}$/.test(code)) return code.startsWith(lostClass) && code !== "08P01" ? "lost" : "statement";
  const message = text(error, "message");
  return lostMessages.some((known) => message.startsWith(known)) ? "lost" : "statement";
}

/** In a sentence, for whoever reads why no primary was found. */
export function reasonOf(error: unknown): string {
  const message = text(error, "message") || String(error);
  const code = stateOf(error);
  return code === "" || message.includes(code) ? message : `${message} (${code})`;
}
