/**
 * What `FailoverPool.connect()` gives: `pg.Client`'s interface on a connection that can be replaced.
 *
 * It owns the order of statements: one is in work at a time, later ones wait, as with `pg`. How a statement is sent,
 * answered and recovered is the `StatementRunner`'s; what passes cursors and foreign query objects is the
 * `ForeignRunner`'s; the connection below is the `ClientSession`'s.
 *
 * Invariants:
 * - A caller is answered once, and in its turn.
 * - While the hooks of the pool's owner run on a new connection, statements go straight to it and are not recorded.
 * - A connection that is lost while nobody uses it is told only where something was lost with it.
 */
import { EventEmitter } from "node:events";
import pg, { type PoolClient } from "pg";
import type { PgConnection, PgQueryCallback, PgQueryConfig } from "../connection/pg-internals.ts";
import { CursorQuery } from "../cursors/cursor-query.ts";
import type { ServerConnection } from "../connection/server-connection.ts";
import { kindOfError } from "../errors/error-table.ts";
import { DatabaseUnavailableError, SessionStateLostError } from "../errors/pool-errors.ts";
import type { MissedNotifications } from "../notifications/subscriptions.ts";
import type { PoolCore } from "../pool/pool-core.ts";
import { ClientQuery, type Results } from "./client-query.ts";
import { ClientSession } from "./client-session.ts";
import { ForeignQuery, type Submittable } from "./foreign-query.ts";
import { ForeignRunner } from "./foreign-runner.ts";
import { StatementRunner } from "./statement-runner.ts";

type Work = ClientQuery | ForeignQuery;

export class FailoverClient extends EventEmitter {
  readonly #core: PoolCore;
  readonly #session: ClientSession;
  readonly #statements: StatementRunner;
  readonly #foreign: ForeignRunner;
  #active: Work | undefined;
  readonly #waiting: Work[] = [];
  #isPreparing = false;
  /** `pg-pool` looks at these two when a client is released. */
  _queryable = true;
  _ending = false;
  /** In a caller's hands, not idle in the pool. */
  isCheckedOut = false;
  /** Set by `pg-pool`. */
  release: ((error?: Error | boolean) => void) | undefined;

  constructor(core: PoolCore, types: unknown) {
    super();
    this.#core = core;
    this.#session = new ClientSession(core, types, {
      prepare: () => this.#prepare(),
      connected: (connection) => this.#connected(connection),
      lost: (_connection, error) => this.#lost(error),
      subscribedAgain: (channels) => this.#subscribedAgain(channels),
    });
    this.#statements = new StatementRunner(core, this.#session, {
      finish: (query, error, results) => this.#finish(query, error, results),
      stateLost: (error) => this.#tellLost(error),
    });
    this.#foreign = new ForeignRunner(core, this.#session, this.#statements, (work) =>
      this.#finish(work, undefined, undefined),
    );
  }

  // -- the interface of pg.Client -------------------------------------------------------------------------------------

  connect(callback?: (error: unknown, client?: this) => void): Promise<this> | undefined {
    const connected = this.#session.reconnect(performance.now() + this.#core.holdMaxMs);
    if (callback === undefined) return connected.then(() => this);
    connected.then(
      () => process.nextTick(callback, undefined, this),
      (error: unknown) => process.nextTick(callback, error),
    );
    return undefined;
  }

  query(config: unknown, values?: unknown, callback?: unknown): unknown {
    if (config === null || config === undefined) throw new TypeError("Client was passed a null or undefined query");
    if (typeof (config as Submittable).submit === "function") {
      const submittable = config as Submittable;
      const cursor = this.#core.continuity.isOn ? CursorQuery.of(submittable, values, callback) : undefined;
      this.#take(cursor ?? new ForeignQuery(submittable, values, callback));
      return config;
    }
    const query = new ClientQuery(this.#statements, config, values, callback);
    if (typeof config === "object") query.query_timeout = (config as PgQueryConfig).query_timeout;
    let result: unknown;
    if (!query.callerCallback) {
      result = new Promise((resolve, reject) => {
        query.respond = (error, answer) => (error ? reject(error) : resolve(answer));
      }).catch((error: unknown) => {
        // As `pg` does: a stack that leads to the caller instead of to the socket.
        if (error instanceof Error) Error.captureStackTrace(error);
        throw error;
      });
    } else if (typeof query.callerCallback !== "function") {
      throw new TypeError("callback is not a function");
    } else {
      query.respond = query.callerCallback;
    }
    this.#take(query);
    return result;
  }

  end(callback?: () => void): Promise<void> | undefined {
    this._ending = true;
    this._queryable = false;
    const { connection } = this.#session;
    this.#session.connection = undefined;
    const ended = new Promise<void>((resolve) => {
      if (connection === undefined || connection.isLost) {
        connection?.client.connection.stream.destroy();
        resolve();
      } else connection.close(resolve);
    });
    void ended.then(() => process.nextTick(() => this.emit("end")));
    if (callback === undefined) return ended;
    void ended.then(() => process.nextTick(callback));
    return undefined;
  }

  get connection(): PgConnection | undefined {
    return this.#session.connection?.client.connection;
  }

  get processID(): number | null {
    return this.#session.connection?.client.processID ?? null;
  }

  get host(): string | undefined {
    return this.#session.connection?.client.host;
  }

  get port(): number | undefined {
    return this.#session.connection?.client.port;
  }

  get user(): string | undefined {
    return this.#session.connection?.client.user;
  }

  get database(): string | undefined {
    return this.#session.connection?.client.database;
  }

  getTransactionStatus(): "I" | "T" | "E" | null {
    const { record } = this.#statements;
    if (record !== undefined) return record.phase === "failed" ? "E" : "T";
    return this.#session.connection?.client.getTransactionStatus() ?? null;
  }

  isConnected(): boolean {
    return this.#session.isUsable;
  }

  ref(): void {
    this.#session.connection?.client.ref();
  }

  unref(): void {
    this.#session.connection?.client.unref();
  }

  setTypeParser(...parser: [oid: number, format: unknown, parse?: unknown]): void {
    (this.#session.types.setTypeParser as (...all: unknown[]) => void)(...parser);
  }

  getTypeParser(oid: number, format?: unknown): unknown {
    return (this.#session.types.getTypeParser as (...all: unknown[]) => unknown)(oid, format);
  }

  escapeIdentifier(text: string): string {
    return pg.escapeIdentifier(text);
  }

  escapeLiteral(text: string): string {
    return pg.escapeLiteral(text);
  }

  // -- the pool's side ------------------------------------------------------------------------------------------------

  /** Of the oldest marker that this client may still ask for; pruning stops before it. */
  get operation(): string | undefined {
    return this.#active instanceof ClientQuery ? this.#active.operation : undefined;
  }

  /** What its last user did to the session is nobody's any more. False where the connection must not be used again. */
  released(): boolean {
    const { effects, subscriptions } = this.#session;
    if (effects.size > 0) effects.clear();
    if (subscriptions.isUsed) subscriptions.clear();
    const isOver = this.#active === undefined && this.#statements.abandonTransaction();
    return isOver && this.#session.isUsable;
  }

  // -- statements in their order --------------------------------------------------------------------------------------

  #take(work: Work): void {
    if (this.#isPreparing) return this.#passThrough(work);
    if (this.#active !== undefined) {
      this.#waiting.push(work);
      return;
    }
    this.#start(work);
  }

  #start(work: Work): void {
    this.#active = work;
    if (this._ending) {
      process.nextTick(() => this.#finish(work, new Error("Client was closed and is not queryable"), undefined));
    } else if (work instanceof ForeignQuery) {
      this.#foreign.start(work);
    } else {
      this.#statements.start(work);
    }
  }

  #finish(work: Work, error: Error | undefined, results: Results | undefined): void {
    this.#active = undefined;
    work.holdUntilMs = undefined;
    respond(work.respond, error, results);
    if (this.#active === undefined) this.#next();
  }

  #next(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) this.#start(next);
  }

  // -- connections that come and go -----------------------------------------------------------------------------------

  /** Statements of the hooks, on the connection that is being made ready. */
  #passThrough(work: Work): void {
    const { connection } = this.#session;
    if (connection === undefined) return this.#finish(work, new Error("There is no connection."), undefined);
    if (work instanceof ForeignQuery) return work.send(connection.client, () => undefined);
    work.owner = { answered: (query, error, results) => respond(query.respond, error, results) };
    work.makeReady(false);
    connection.client.query(work as never);
  }

  async #prepare(): Promise<void> {
    this.#isPreparing = true;
    try {
      await this.#core.prepare(this as unknown as PoolClient);
    } finally {
      this.#isPreparing = false;
    }
  }

  #connected({ client }: ServerConnection): void {
    client.on("notice", (notice) => this.emit("notice", notice));
    client.on("notification", (message) => this.emit("notification", message));
    client.on("drain", () => this.emit("drain"));
  }

  #lost(error: unknown): void {
    if (kindOfError(error) === "ended")
      this.#statements.record?.cannotReplay(`the server ended the session: ${String(error)}`);
    if (this.#active !== undefined) return;
    // Idle in the pool: it must not be handed out. In a caller's hands: only who has lost something is told.
    if (this.#session.effects.size > 0) this.#tellLost(new SessionStateLostError([...this.#session.effects], error));
    else if (!this.isCheckedOut) this.emit("error", error);
    else if (this.#session.subscriptions.channels.length > 0) this.#listenAgain();
  }

  /** Nobody asks for anything, and notifications are waited for: a new connection, as soon as there is one. */
  #listenAgain(): void {
    this.query("SELECT 1", (error: Error | undefined) => {
      if (!error || !this.isCheckedOut || this._ending) return;
      if (error instanceof DatabaseUnavailableError && !this.#core.isEnded) this.#listenAgain();
      else if (this.listenerCount("error") > 0) this.emit("error", error);
    });
  }

  #subscribedAgain(channels: readonly string[]): void {
    const missed: MissedNotifications = { channels };
    this.emit("notificationsMissed", missed);
    this.#core.events.emit("notificationsMissed", missed);
  }

  #tellLost(error: SessionStateLostError): void {
    this._queryable = false;
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }
}

/** An error that a callback throws is the caller's, and reaches it as with `pg`: uncaught. */
function respond(callback: PgQueryCallback | undefined, error: Error | undefined, results: Results | undefined): void {
  if (callback === undefined) return;
  try {
    if (error !== undefined) callback(error);
    else callback(null, results);
  } catch (thrown) {
    process.nextTick(() => {
      throw thrown;
    });
  }
}
