/**
 * One statement of a caller on its way: `pg`'s own query, so that its result is `pg`'s own, and what the pool needs
 * to send it again. It may be sent several times; the caller is answered once.
 *
 * What goes over the wire may differ from what the caller gave: BEGIN before it (held back until now, one trip), a
 * marker joined to it, `marker; COMMIT` instead of COMMIT. The caller's result never shows that.
 */
import {
  Query,
  type PgCommandComplete,
  type PgConnection,
  type PgDataRow,
  type PgQueryCallback,
  type PgQueryConfig,
  type PgResult,
  type PgRowDescription,
  Result,
} from "../connection/pg-internals.ts";
import { beginMessages } from "./begin-messages.ts";
import { markerAnswered, markerMessages, type CommitMarker } from "./marker-messages.ts";
import { ResultDigest } from "./result-digest.ts";
import type { StatementUse } from "./statement-use.ts";

export type Results = PgResult | PgResult[];

/** Where in the life of a session it was sent; what its loss means depends on that (`loss-plan.ts`). */
export type SentAs = "read" | "call" | "marked" | "plain" | "in-transaction" | "commit" | "rollback";

export interface QueryOwner {
  answered(query: ClientQuery, error: Error | undefined, results: Results | undefined): void;
}

export interface SeenRows {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
  readonly rows: (string | null)[][];
}

/** An INSERT that returned more rows than this is replayed as it is. */
const mostSeenRows = 100;

export class ClientQuery extends Query {
  /** What the caller gave; `text`, `values` and `name` are what is sent. */
  readonly callerText: string;
  readonly callerValues: unknown[] | undefined;
  readonly callerName: string | undefined;
  readonly callerCallback: PgQueryCallback | undefined;
  use: StatementUse | undefined;
  sentAs: SentAs = "plain";
  /** Whether it may have reached a server, since it was last given up. */
  wasSent = false;
  /** The key of its marker, while it is in work. */
  operation: string | undefined;
  attempt = 1;
  /** Set when its connection was first lost: how long its caller is held. */
  holdUntilMs: number | undefined;
  query_timeout: number | undefined;
  respond: PgQueryCallback | undefined;
  /** How often the server refused what the pool had added. */
  markerRefusals = 0;
  /** The server has answered all of it. */
  isComplete = false;
  digest: ResultDigest | undefined;
  seen: SeenRows | undefined;
  keepsSeen = false;
  /** The answer is the number of rows that the caller's statement has written, to be told as its result. */
  countedTag: string | undefined;
  #count = "0";
  /** The BEGIN that goes before it. */
  begin: string | undefined;
  /** The marker that goes before a COMMIT. */
  marker: CommitMarker | undefined;
  /** What goes before it is not acknowledged. */
  #isPrefixOpen = false;
  #isUsed = false;
  #isAnswered = true;
  #wasParsed = false;
  /** A class of its own may be set for a statement that the pool itself runs. */
  owner: QueryOwner;

  constructor(owner: QueryOwner, config: string | PgQueryConfig, values?: unknown, callback?: unknown) {
    super(config, values, callback);
    this.owner = owner;
    this.callerText = this.text;
    this.callerValues = this.values;
    this.callerName = this.name;
    this.callerCallback = this.callback;
    // The answer comes by `handleReadyForQuery` and `handleError`, so `pg` needs no callback of ours.
    this.callback = undefined;
  }

  /** Ready to be sent (again): nothing of an earlier answer is left. (`prepare` is `pg`'s own.) */
  makeReady(records: boolean): void {
    // `pg` has made the first one.
    if (this.#isUsed) this._results = this._result = new Result(this._rowMode, this.types);
    this.#isUsed = true;
    this._canceledDueToError = false;
    this.#isAnswered = false;
    this.isComplete = false;
    this.#isPrefixOpen = false;
    this.wasSent = false;
    this.seen = undefined;
    this.digest = records ? new ResultDigest() : undefined;
  }

  override requiresPreparation(): boolean {
    return this.begin !== undefined || this.marker !== undefined || super.requiresPreparation();
  }

  override submit(connection: PgConnection): Error | null {
    const invalid = this.#invalid(connection);
    if (invalid !== null) return invalid;
    this.wasSent = true;
    const prefix = this.#prefix(connection);
    if (prefix === undefined) return super.submit(connection);
    this.#isPrefixOpen = true;
    this.#wasParsed = this.hasBeenParsed(connection);
    connection.stream.cork();
    try {
      // Without a Sync between: if BEGIN fails, the server skips the statement, which must not run outside.
      connection._send(prefix);
      return super.submit(connection);
    } finally {
      connection.stream.uncork();
    }
  }

  #prefix(connection: PgConnection): Buffer | undefined {
    if (this.marker !== undefined) return markerMessages(connection, this.marker);
    return this.begin === undefined ? undefined : beginMessages(this.begin);
  }

  /** What `pg` refuses to send; asked before anything is on its way. */
  #invalid(connection: PgConnection): Error | null {
    if (typeof this.text !== "string" && typeof this.name !== "string")
      return new Error("A query must have either text or a name. Supplying neither is unsupported.");
    const name = this.name ?? "";
    const previous = connection.parsedStatements[name] ?? connection.submittedNamedStatements[name];
    if (this.text && previous && this.text !== previous)
      return new Error(`Prepared statements must be unique - '${name}' was used for a different statement`);
    if (this.values && !Array.isArray(this.values)) return new Error("Query values must be an array");
    return null;
  }

  override handleRowDescription(message: PgRowDescription): void {
    if (this.countedTag !== undefined) return;
    this.digest?.columns(message.fields);
    if (this.keepsSeen) this.seen = { fields: message.fields, rows: [] };
    super.handleRowDescription(message);
  }

  override handleDataRow(message: PgDataRow): void {
    if (this.countedTag !== undefined) {
      this.#count = String(message.fields[0]);
      return;
    }
    if (this.digest !== undefined) {
      this.digest.row(message.fields);
      if (this.seen !== undefined) {
        this.seen.rows.push(message.fields);
        if (this.seen.rows.length > mostSeenRows) this.seen = undefined;
      }
    }
    super.handleDataRow(message);
  }

  override handleCommandComplete(message: PgCommandComplete, connection: PgConnection): void {
    if (this.#isPrefixOpen) {
      this.#isPrefixOpen = false;
      if (this.marker !== undefined) markerAnswered(connection, true);
      return;
    }
    this.digest?.text(message.text);
    super.handleCommandComplete(
      this.countedTag === undefined ? message : { text: `${this.countedTag}${this.#count}` },
      connection,
    );
  }

  override handleReadyForQuery(connection: PgConnection): void {
    this.isComplete = true;
    if (this._canceledDueToError !== false) return this.handleError(this._canceledDueToError, connection);
    this.#answer(undefined, this._results);
  }

  override handleError(error: Error, connection: PgConnection): void {
    let told = error;
    if (this._canceledDueToError !== false) {
      // A type parser of the caller's failed: the server has done its work.
      told = this._canceledDueToError;
      this._canceledDueToError = false;
    } else {
      this.digest?.error(error);
      if (this.isMarkerOpen) markerAnswered(connection, false);
      // `pg` took BEGIN's ParseComplete for that of this statement.
      if (this.begin !== undefined && this.name && !this.#wasParsed) delete connection.parsedStatements[this.name];
    }
    this.#answer(told, undefined);
  }

  /** The marker before it has not been written: an error is about the marker. */
  get isMarkerOpen(): boolean {
    return this.#isPrefixOpen && this.marker !== undefined;
  }

  #answer(error: Error | undefined, results: Results | undefined): void {
    // Ends the timer of `query_timeout`, which `pg` keeps behind the callback.
    if (this.callback !== undefined) {
      const clear = this.callback;
      this.callback = undefined;
      clear(null);
    }
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.owner.answered(this, error, results);
  }
}

/** The result of a statement that PostgreSQL did not have to see, as `pg` would give it. */
export function resultOfTag(tag: string, types: unknown): PgResult {
  const result = new Result(undefined, types);
  result.addCommandComplete({ text: tag });
  return result;
}
