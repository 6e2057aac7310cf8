/**
 * A cursor of `pg-cursor` (or the one inside a `pg-query-stream`) on a connection that can be replaced (P5).
 *
 * It stands between `pg` and the caller's cursor, passes everything on, and keeps what another run needs: the messages
 * that opened the cursor, how many rows were passed on with a digest of them, and what the cursor has asked for and
 * not got. When the connection is lost, the session is brought back first (its transaction replayed, its query proven
 * to be without effects); then the query is opened again and its first rows are read and compared.
 *
 * Why equal first rows prove the place: what the caller has read, followed by what comes now, is exactly the result of
 * this one run on the new primary. No order has to be believed; without one, the comparison just fails more often.
 *
 * States: `waiting` (not sent), `opening`, `open`, `comparing` (the first rows of another run), `away` (no connection),
 * `ending` (all rows are passed on, or the caller has closed it), `over`.
 *
 * Invariants: a row is passed on once. After a difference nothing more is passed on but a CursorLostError.
 */
import { kindOfError } from "../errors/error-table.ts";
import type { PgClient, PgCommandComplete, PgDataRow, PgRowDescription } from "../connection/pg-internals.ts";
import { ForeignQuery, type Submittable } from "../client/foreign-query.ts";
import { ResultDigest } from "../client/result-digest.ts";
import { CursorConnection, type CursorListener, type CursorMessages } from "./cursor-connection.ts";
import { CursorLostError } from "./cursor-lost-error.ts";

/** What `pg` calls of a cursor. */
interface Cursor extends Submittable {
  readonly text?: unknown;
  readonly values?: unknown[] | null;
  readonly cursor?: Cursor;
  readonly _result?: unknown;
  read?: unknown;
  close?: unknown;
  handleRowDescription(message: PgRowDescription): void;
  handleDataRow(message: PgDataRow): void;
  handlePortalSuspended(): void;
  handleCommandComplete(message: PgCommandComplete): void;
  handleReadyForQuery(): void;
  handleEmptyQuery(): void;
  handleError(error: Error): void;
}

type Opening = readonly ["parse" | "bind" | "describe", never];
type Connection = CursorMessages & NodeJS.EventEmitter;

export interface CursorHooks {
  /** It is over, and the connection is free for the next statement. */
  over(): void;
  lost(cause: unknown): void;
  /** Its place could not be found again; the session cannot go on as if it had. */
  differs(error: CursorLostError): void;
}

/** `pg-cursor`'s own, or that of a `pg-query-stream`; undefined for every other query object. */
function cursorIn(submittable: Submittable): Cursor | undefined {
  const cursor = (submittable as Cursor).cursor ?? (submittable as Cursor);
  const isCursor =
    typeof cursor.text === "string" &&
    typeof cursor.read === "function" &&
    typeof cursor.close === "function" &&
    typeof cursor.handlePortalSuspended === "function";
  return isCursor ? cursor : undefined;
}

export class CursorQuery extends ForeignQuery implements CursorListener {
  readonly text: string;
  readonly boundValues: unknown[] | undefined;
  digest = new ResultDigest();
  /** All rows were passed on; else the caller closed it before, or it failed. */
  isComplete = false;
  rowsRead = 0;
  readonly #cursor: Cursor;
  readonly #connection = new CursorConnection(this);
  readonly #opening: Opening[] = [];
  #state: "waiting" | "opening" | "open" | "comparing" | "away" | "ending" | "over" = "waiting";
  /** The rows that the cursor has asked for and how many of them it has. */
  #asked: { readonly portal: string; readonly rows: number; got: number } | undefined;
  #isDescribed = false;
  #isToldError = false;
  #compared = new ResultDigest();
  #leftToCompare = 0;
  #hooks: CursorHooks | undefined;

  static of(submittable: Submittable, values: unknown, callback: unknown): CursorQuery | undefined {
    const cursor = cursorIn(submittable);
    return cursor && new CursorQuery(submittable, cursor, values, callback);
  }

  private constructor(submittable: Submittable, cursor: Cursor, values: unknown, callback: unknown) {
    super(submittable, values, callback);
    this.#cursor = submittable as Cursor;
    this.text = String(cursor.text);
    this.boundValues = cursor.values ?? undefined;
    if (typeof submittable.callback !== "function") {
      if (typeof values === "function") submittable.callback = values;
      else if (callback !== undefined) submittable.callback = callback;
    }
  }

  /** `pg` hands the parsers of types on by it. */
  get _result(): unknown {
    return this.#cursor._result;
  }

  start(client: PgClient, hooks: CursorHooks): void {
    this.#hooks = hooks;
    (client.query as (query: unknown) => unknown)(this);
  }

  /** On another connection, with the session as it was. */
  resume(client: PgClient): void {
    if (this.#state === "ending") return this.#end();
    (client.query as (query: unknown) => unknown)(this);
  }

  override fail(error: Error): void {
    this.#connection.target = undefined;
    this.#tell(error);
    this.#end();
  }

  // -- called by the cursor, through its connection ---------------------------------------------------------------------

  opening(message: Opening[0], config: never): void {
    this.#opening.push([message, config]);
  }

  executing({ portal, rows }: { readonly portal: string; readonly rows: number }): void {
    this.#asked = { portal, rows, got: 0 };
  }

  closing(): void {
    this.#state = "ending";
  }

  // -- called by pg -----------------------------------------------------------------------------------------------------

  submit(connection: Connection): void {
    this.#connection.target = connection;
    connection.once("noData", this.#noData);
    if (this.#state === "waiting") {
      this.#state = "opening";
      this.#cursor.submit(this.#connection);
      return;
    }
    for (const [message, config] of this.#opening) connection[message](config, true);
    this.#state = this.#isDescribed ? "comparing" : "opening";
    this.#compared = new ResultDigest();
    this.#leftToCompare = this.rowsRead;
    const portal = this.#asked?.portal;
    if (this.rowsRead > 0 && portal !== undefined) connection.execute({ portal, rows: this.rowsRead }, true);
    else this.#askForTheRest(connection);
    connection.flush();
  }

  readonly #noData = (): void => {
    this.#connection.emit("noData");
  };

  handleRowDescription(message: PgRowDescription): void {
    if (this.#state === "comparing") {
      this.#compared.columns(message.fields);
      if (this.rowsRead === 0) this.#compare();
      return;
    }
    this.#state = this.#state === "opening" ? "open" : this.#state;
    this.#isDescribed = true;
    this.digest.columns(message.fields);
    this.#cursor.handleRowDescription(message);
    this.#connection.emit("rowDescription", message);
  }

  handleDataRow(message: PgDataRow): void {
    if (this.#isToldError) return;
    if (this.#state === "comparing" && this.#leftToCompare > 0) {
      this.#compared.row(message.fields);
      if (--this.#leftToCompare === 0) this.#compare();
      return;
    }
    this.digest.row(message.fields);
    this.rowsRead++;
    if (this.#asked !== undefined) this.#asked.got++;
    this.#cursor.handleDataRow(message);
  }

  handlePortalSuspended(): void {
    if (this.#isToldError) return;
    const asked = this.#asked;
    if (this.#state === "comparing") {
      this.#state = "open";
      if (asked === undefined || asked.got < asked.rows) {
        const { target } = this.#connection;
        if (target !== undefined) this.#askForTheRest(target);
        target?.flush();
        return;
      }
    }
    this.#asked = asked && { portal: asked.portal, rows: 0, got: 0 };
    this.#cursor.handlePortalSuspended();
  }

  handleCommandComplete(message: PgCommandComplete): void {
    if (this.#isToldError) return;
    if (this.#state === "comparing" && this.rowsRead > 0)
      return this.#differs(`another run gave only ${this.rowsRead - this.#leftToCompare} rows`);
    this.isComplete = true;
    // The tag of the last part counts only that; a run at one go counts all.
    this.digest.text(message.text.startsWith("SELECT ") ? `SELECT ${this.rowsRead}` : message.text);
    this.#cursor.handleCommandComplete(message);
  }

  handleEmptyQuery(): void {
    this.#cursor.handleEmptyQuery();
  }

  handleReadyForQuery(): void {
    if (!this.#isToldError) this.#cursor.handleReadyForQuery();
    this.#end();
  }

  handleError(error: Error): void {
    const { target } = this.#connection;
    (target as Connection | undefined)?.removeListener("noData", this.#noData);
    if (kindOfError(error) === "lost") {
      this.#connection.target = undefined;
      if (this.#state === "over") return;
      if (this.#state === "ending" || this.#isToldError) return this.#endWithoutConnection();
      this.#state = "away";
      this.#hooks?.lost(error);
      return;
    }
    (target as Connection | undefined)?.once("readyForQuery", () => this.#connection.emit("readyForQuery"));
    if (this.#state === "comparing") this.#differs(`another run failed: ${error.message}`, error);
    else this.#tell(error);
    this.#end();
  }

  // ---------------------------------------------------------------------------------------------------------------------

  #askForTheRest(connection: CursorMessages): void {
    const asked = this.#asked;
    if (asked === undefined || asked.rows === 0) return;
    connection.execute({ portal: asked.portal, rows: asked.rows - asked.got }, true);
  }

  /** The first rows of this run are in: are they what the caller has read? */
  #compare(): void {
    if (this.#compared.value !== this.digest.value) return this.#differs("another run begins with other rows");
    // Without rows nothing was executed yet but what the cursor asked for.
    if (this.rowsRead === 0) this.#state = "open";
  }

  #differs(why: string, cause?: unknown): void {
    const error = new CursorLostError(this.rowsRead, why, cause);
    this.#hooks?.differs(error);
    // The cursor's own way of failing sends the Sync that ends this run.
    this.#tell(error);
  }

  #tell(error: Error): void {
    if (this.#isToldError) return;
    this.#isToldError = true;
    this.#cursor.handleError(error);
  }

  /** Every row was passed on, or the caller wants no more. */
  #endWithoutConnection(): void {
    if (!this.#isToldError && this.isComplete) this.#cursor.handleReadyForQuery();
    this.#end();
  }

  #end(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#connection.emit("readyForQuery");
    this.#hooks?.over();
  }
}
