/**
 * What `FailoverPool.connect()` gives: `pg.Client`'s interface on a connection that can be replaced.
 *
 * One statement is in work at a time; later ones wait in order, as with `pg`. Of each the client knows how it was sent
 * (`SentAs`), so that a lost connection leads to the right plan (`loss-plan.ts`, carried out by `recovery.ts`).
 *
 * States: no transaction; a transaction whose BEGIN is held back (nothing of it is at the server); a transaction that
 * is recorded statement by statement (`TransactionRecord`).
 *
 * Invariants:
 * - A caller is answered once. "Committed" is told only when the server said so without a warning about replication,
 *   or its marker says so and a later write was replicated (P4, D4).
 * - A COMMIT that was answered by ROLLBACK is an error.
 * - While the hooks of the pool's owner run on a new connection, statements go straight to it and are not recorded.
 */
import { EventEmitter } from "node:events";
import pg, { type PoolClient } from "pg";
import {
  prepareValue,
  type PgConnection,
  type PgQueryCallback,
  type PgQueryConfig,
} from "../connection/pg-internals.ts";
import { CursorQuery, type CursorHooks } from "../cursors/cursor-query.ts";
import type { ServerConnection } from "../connection/server-connection.ts";
import { kindOfError, stateOf, type ErrorKind } from "../errors/error-table.ts";
import {
  DatabaseUnavailableError,
  RolledBackError,
  SessionStateLostError,
  SynchronousCommitError,
} from "../errors/pool-errors.ts";
import { changesSubscriptions, type MissedNotifications } from "../notifications/subscriptions.ts";
import type { PoolCore } from "../pool/pool-core.ts";
import type { Statement } from "../statements/statement.ts";
import { ClientQuery, resultOfTag, type Results } from "./client-query.ts";
import { ClientSession } from "./client-session.ts";
import { confirmAnswer } from "./confirm-answer.ts";
import { ForeignQuery, type Submittable } from "./foreign-query.ts";
import { Recovery } from "./recovery.ts";
import { lowersSynchronousCommit, mayWrite, recordedAs } from "./statement-rules.ts";
import type { StatementUse } from "./statement-use.ts";
import { TransactionRecord } from "./transaction-record.ts";

type Work = ClientQuery | ForeignQuery;

/** A replay reads them all at once, to compare them. */
const mostCursorRows = 10_000;

export class FailoverClient extends EventEmitter {
  readonly #core: PoolCore;
  readonly #session: ClientSession;
  #active: Work | undefined;
  readonly #waiting: Work[] = [];
  #record: TransactionRecord | undefined;
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
    const query = new ClientQuery(this, config as string | PgQueryConfig, values, callback);
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
    if (this.#record !== undefined) return this.#record.phase === "failed" ? "E" : "T";
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
    if (this.#active !== undefined || this.#record !== undefined) {
      const isClean = this.#record?.phase === "held" && this.#active === undefined;
      this.#record = undefined;
      return isClean && this.#session.isUsable;
    }
    return this.#session.isUsable;
  }

  // -- taking and sending ---------------------------------------------------------------------------------------------

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
    } else if (work instanceof CursorQuery) {
      void this.#startCursor(work);
    } else if (work instanceof ForeignQuery) {
      void this.#startForeign(work);
    } else {
      this.#startQuery(work);
    }
  }

  #startQuery(query: ClientQuery): void {
    const { callerText } = query;
    if (!this.#core.continuity.isOn || typeof callerText !== "string") return this.#send(query);
    const use = this.#core.uses.of(callerText);
    query.use = use;
    const { statement } = use;
    if (this.#record === undefined) this.#adoptTransaction();
    if (statement.setsSynchronousCommit && lowersSynchronousCommit(statement))
      return this.#finishSoon(query, new SynchronousCommitError(), undefined);
    if (this.#record !== undefined) return this.#startInTransaction(query, this.#record, statement);
    switch (use.autocommit) {
      case "read":
        query.sentAs = "read";
        break;
      case "control":
        if (statement.kind === "begin") return this.#hold(query);
        break;
      case "call":
      case "write":
        return this.#startWrite(query, use);
      case "other":
        break;
    }
    this.#send(query);
  }

  /** Begun by a text that the pool did not take for BEGIN: it stands, and nobody knows from where on. */
  #adoptTransaction(): void {
    const status = this.#session.connection?.client.getTransactionStatus();
    if (status !== "T" && status !== "E") return;
    this.#record = new TransactionRecord("BEGIN", this.#core.continuity);
    this.#record.phase = status === "E" ? "failed" : "open";
    this.#record.mayWrite = true;
    this.#record.cannotReplay("it was begun inside a longer text");
  }

  /** BEGIN is answered here, and goes out with the first statement. */
  #hold(query: ClientQuery): void {
    this.#record = new TransactionRecord(query.callerText, this.#core.continuity);
    this.#record.isReadOnly = query.use?.statement.begin?.access === "read only";
    const tag = /^\s*begin/i.test(query.callerText) ? "BEGIN" : "START TRANSACTION";
    this.#finishSoon(query, undefined, resultOfTag(tag, this.#session.types));
  }

  #startWrite(query: ClientQuery, use: StatementUse): void {
    const { markers } = this.#core;
    if (!markers.isKnown) {
      this.#makeMarkers(query, () => this.#startWrite(query, use));
      return;
    }
    const given = query.callerValues?.length ?? 0;
    if (markers.isReady && use.marked?.callerParameters === given && query.callerName === undefined) {
      query.sentAs = "marked";
      query.operation = this.#core.keys.next();
    } else {
      query.sentAs = use.autocommit === "call" ? "call" : "plain";
    }
    this.#send(query);
  }

  #startInTransaction(query: ClientQuery, record: TransactionRecord, statement: Statement): void {
    if (statement.kind === "commit") return this.#commit(query, record);
    if (statement.kind === "rollback") {
      query.sentAs = "rollback";
      if (record.phase !== "held" || statement.isChained) return this.#send(query);
      this.#record = undefined;
      return this.#finishSoon(query, undefined, resultOfTag("ROLLBACK", this.#session.types));
    }
    query.sentAs = "in-transaction";
    if (statement.begin?.access === "read only") record.isReadOnly = true;
    if (mayWrite(statement)) record.mayWrite = true;
    const how = recordedAs(statement);
    if (how.unreplayable !== undefined) record.cannotReplay(how.unreplayable);
    query.keepsSeen = statement.verb === "insert";
    if (record.mayWrite && !record.isReadOnly && !this.#core.markers.isKnown && record.phase === "held") {
      this.#makeMarkers(query, () => this.#sendInTransaction(query, record, how.isOne));
      return;
    }
    this.#sendInTransaction(query, record, how.isOne);
  }

  #sendInTransaction(query: ClientQuery, record: TransactionRecord, isOne: boolean): void {
    if (record.phase !== "held") return this.#send(query);
    if (isOne) {
      query.begin = record.begin;
      return this.#send(query);
    }
    void this.#beginAlone(record).then(
      () => this.#send(query),
      (error: unknown) => this.#finish(query, error as Error, undefined),
    );
  }

  async #beginAlone(record: TransactionRecord): Promise<void> {
    const connection = await this.#session.reconnect(performance.now() + this.#core.holdMaxMs);
    const { error } = await this.#session.run(connection, { text: record.begin });
    if (error !== undefined) throw error;
    record.phase = "open";
  }

  #commit(query: ClientQuery, record: TransactionRecord): void {
    query.sentAs = "commit";
    if (record.phase === "held" && query.use?.statement.isChained !== true) {
      this.#record = undefined;
      return this.#finishSoon(query, undefined, resultOfTag("COMMIT", this.#session.types));
    }
    this.#send(query);
  }

  /** The table is made on the session's own connection, before the first statement that needs it. */
  #makeMarkers(query: ClientQuery, then: () => void): void {
    const deadlineMs = performance.now() + this.#core.holdMaxMs;
    const make = async (): Promise<void> => {
      for (;;) {
        const connection = await this.#session.reconnect(deadlineMs);
        try {
          return await this.#core.markers.make(connection);
        } catch (error) {
          if (!connection.isLost) throw error;
        }
      }
    };
    make().then(then, (error: unknown) => this.#finish(query, error as Error, undefined));
  }

  #send(query: ClientQuery): void {
    const { connection } = this.#session;
    if (connection === undefined || connection.isLost) {
      query.wasSent = false;
      void this.#recover(query, connection?.lostBy);
      return;
    }
    try {
      this.#compose(query);
    } catch (error) {
      return this.#finishSoon(query, error as Error, undefined);
    }
    query.makeReady(query.sentAs === "in-transaction");
    connection.client.query(query as never);
  }

  /** What goes over the wire for this statement, now. */
  #compose(query: ClientQuery): void {
    const { use } = query;
    query.text = query.callerText;
    query.name = query.callerName;
    query.values = query.callerValues;
    query.begin = undefined;
    query.countedTag = undefined;
    const record = this.#record;
    if (query.sentAs === "marked" && use?.marked !== undefined) {
      query.text = use.marked.text;
      query.countedTag = use.marked.countedTag;
      query.name = this.#core.uses.nameOf(use);
      query.values = [...(query.callerValues ?? []), query.operation, query.attempt];
    } else if (query.sentAs === "in-transaction" && record !== undefined) {
      // As they are now: a replay must send the same, whatever the caller does to its objects.
      if (Array.isArray(query.values) && query.values.length > 0) query.values = query.values.map(ownValue);
      if (record.phase === "held") query.begin = record.begin;
    } else if (query.sentAs === "commit" && record !== undefined) {
      this.#composeCommit(query, record);
    }
  }

  #composeCommit(query: ClientQuery, record: TransactionRecord): void {
    query.name = undefined;
    query.values = undefined;
    query.extraResults = 0;
    if (record.phase === "failed") {
      query.text = "ROLLBACK";
      return;
    }
    if (!record.mayWrite || record.isReadOnly || !this.#core.markers.isReady) return;
    query.operation ??= this.#core.keys.next();
    query.attempt = record.attempt;
    query.extraResults = 1;
    query.queryMode = undefined;
    query.text = `${this.#core.marker.insert(query.operation, query.attempt)};${query.callerText}`;
  }

  // -- answers --------------------------------------------------------------------------------------------------------

  answered(query: ClientQuery, error: Error | undefined, results: Results | undefined): void {
    const { connection } = this.#session;
    if (error !== undefined) return this.#failed(query, error);
    if (connection?.syncWaitWasCancelled === true) {
      void this.#confirm(query, connection, results);
      return;
    }
    this.#succeeded(query, results);
  }

  #succeeded(query: ClientQuery, results: Results | undefined): void {
    const record = this.#record;
    const statement = query.use?.statement;
    if (record === undefined) {
      if (statement !== undefined && statement.sessionEffects.length > 0) {
        if (changesSubscriptions(statement)) this.#session.subscriptions.succeeded(statement, false);
        this.#keepEffects(statement);
      }
      return this.#finish(query, undefined, results);
    }
    if (query.sentAs === "commit") return this.#committed(query, record, results);
    if (statement !== undefined) {
      if (changesSubscriptions(statement)) this.#session.subscriptions.succeeded(statement, true);
      record.add(query, statement);
      if (statement.sessionEffects.length > 0) record.effects.push(statement);
    }
    this.#followTransaction(record, statement);
    this.#finish(query, undefined, results);
  }

  #committed(query: ClientQuery, record: TransactionRecord, results: Results | undefined): void {
    const all = Array.isArray(results) ? results : [results];
    const last = all.at(-1);
    if (last?.command !== "ROLLBACK") this.#session.subscriptions.committed();
    this.#endRecord(record, query.use?.statement.isChained === true);
    if (last?.command === "ROLLBACK") return this.#finish(query, new RolledBackError(), undefined);
    this.#finish(query, undefined, query.extraResults > 0 ? last : results);
  }

  /** The server's own word for whether a transaction stands. */
  #followTransaction(record: TransactionRecord, statement: Statement | undefined): void {
    const status = this.#session.connection?.client.getTransactionStatus();
    if (status === "I") this.#endRecord(record, false);
    else if (statement?.kind === "rollback") this.#endRecord(record, statement.isChained);
    else record.phase = status === "E" ? "failed" : "open";
  }

  #endRecord(record: TransactionRecord, isChained: boolean): void {
    for (const statement of record.effects) this.#keepEffects(statement);
    this.#session.subscriptions.rolledBack();
    this.#record = undefined;
    if (!isChained) return;
    this.#record = new TransactionRecord(record.begin, this.#core.continuity);
    this.#record.phase = "open";
    this.#record.isReadOnly = record.isReadOnly;
  }

  #failed(query: ClientQuery, error: Error): void {
    const { connection } = this.#session;
    const kind = kindOfError(error);
    const isLost = connection === undefined || connection.isLost || kind === "lost";
    // `pg` refused to send it; nothing has changed.
    if (!isLost && !query.wasSent) return this.#finish(query, error, undefined);
    if (isLost || isNoAnswer(query, kind, error)) {
      connection?.destroy(error.message);
      void this.#recover(query, error);
      return;
    }
    if (kind === "not-primary" && this.#record?.isReadOnly !== true) {
      void this.#askWhetherPrimary(query, connection, error);
      return;
    }
    this.#refused(query, error, kind === "ended");
  }

  /** The server refused the statement, and it is the caller's to know; or it refused what is ours in it. */
  #refused(query: ClientQuery, error: Error, hasEnded: boolean): void {
    const record = this.#record;
    if (query.operation !== undefined && this.#isAboutMarker(query, error)) return this.#markerRefused(query, error);
    if (record !== undefined) {
      if (hasEnded) record.cannotReplay(`the server ended the session: ${error.message}`);
      if (stateOf(error) === "") {
        // No word of the server's: `query_timeout`, or a type parser of the caller's. The statement may still run.
        record.cannotReplay(`the caller gave up a statement: ${error.message}`);
      } else if (query.sentAs === "commit" && record.phase === "open") {
        this.#endRecord(record, false);
      } else {
        if (query.use !== undefined && query.sentAs === "in-transaction") record.add(query, query.use.statement);
        record.phase = "failed";
      }
    }
    if (query.sentAs === "marked") this.#correctPosition(query, error);
    this.#finish(query, error, undefined);
  }

  #correctPosition(query: ClientQuery, error: Error & { position?: string }): void {
    const { marked } = query.use ?? {};
    const position = Number(error.position);
    if (marked === undefined || !(position > marked.insertedAt + marked.insertedLength)) return;
    error.position = String(position - marked.insertedLength);
  }

  /** The table was dropped, the role may not write it, or a plan on the server is too old: not the caller's affair. */
  #isAboutMarker(query: ClientQuery, error: Error & { routine?: string }): boolean {
    const state = stateOf(error);
    if (state === "") return false;
    if (query.sentAs === "commit") {
      const hasMarker = Array.isArray(query._results) || query._results.command === "INSERT";
      return query.extraResults > 0 && !hasMarker && this.#record?.phase === "open";
    }
    if (state === "0A000" || state === "26000") return query.name !== undefined;
    if (state === "25006") return query.use?.autocommit === "call";
    const [schema = "", table = ""] = this.#core.marker.table.split(".");
    return (
      ["42P01", "42501", "3F000"].includes(state) && (error.message.includes(table) || error.message.includes(schema))
    );
  }

  #markerRefused(query: ClientQuery, error: Error): void {
    const { markers, uses } = this.#core;
    const state = stateOf(error);
    query.operation = undefined;
    if (query.use !== undefined && query.sentAs === "marked") uses.renew(query.use);
    if (state === "42P01" || state === "3F000") markers.forget();
    else if (state === "25006" && this.#record !== undefined) this.#record.isReadOnly = true;
    else if (state === "25006") query.sentAs = "call";
    else if (state !== "0A000" && state !== "26000") markers.giveUp(error.message);
    if (query.sentAs === "call") return this.#send(query);
    if (query.sentAs === "marked" && query.use !== undefined) return this.#startWrite(query, query.use);
    void this.#beginAgain(query, error);
  }

  /** The marker's refusal undid the transaction, and nothing was committed: again, without that obstacle. */
  async #beginAgain(query: ClientQuery, error: Error): Promise<void> {
    const { connection } = this.#session;
    if (connection !== undefined && !connection.isLost) {
      const rolledBack = await this.#session.run(connection, { text: "ROLLBACK" });
      if (rolledBack.error !== undefined) connection.destroy("ROLLBACK failed");
      else await this.#core.markers.make(connection).catch(() => undefined);
    }
    query.wasSent = false;
    return this.#recover(query, error);
  }

  async #askWhetherPrimary(query: ClientQuery, connection: ServerConnection, error: Error): Promise<void> {
    await this.#core.finder.doubt();
    if (!(await this.#core.isStandby(connection.primary))) return this.#refused(query, error, false);
    // A standby took nothing of it.
    query.wasSent = false;
    connection.destroy("its server is a standby now");
    return this.#recover(query, error);
  }

  /** D4: the wait for the standby was cancelled, so this answer is none until a later write was waited for. */
  async #confirm(query: ClientQuery, connection: ServerConnection, results: Results | undefined): Promise<void> {
    try {
      await confirmAnswer(this.#core, connection);
      this.#succeeded(query, results);
    } catch (error) {
      connection.destroy("a wait for synchronous replication was cancelled");
      void this.#recover(query, error);
    }
  }

  async #recover(query: ClientQuery, cause: unknown): Promise<void> {
    if (!this.#core.continuity.isOn)
      return this.#finish(query, (cause ?? new Error("Connection terminated unexpectedly")) as Error, undefined);
    const record = this.#record;
    try {
      const recovered = await new Recovery(this.#session, record, query, cause).run();
      if (recovered.type === "send") {
        query.wasSent = false;
        return this.#send(query);
      }
      if (query.sentAs === "commit") this.#session.subscriptions.committed();
      if (record !== undefined && (query.sentAs === "commit" || query.sentAs === "rollback"))
        this.#endRecord(record, query.use?.statement.isChained === true);
      this.#finish(query, undefined, recovered.results);
    } catch (error) {
      if (record !== undefined) this.#giveUp(record, query, error);
      if (error instanceof SessionStateLostError) this.#tellLost(error);
      this.#finish(query, error as Error, undefined);
    }
  }

  /** The caller was told; until its ROLLBACK the transaction counts as failed, and there is nothing to roll back. */
  #giveUp(record: TransactionRecord, query: ClientQuery, error: unknown): void {
    record.cannotReplay(error instanceof Error ? error.message : String(error));
    record.phase = "failed";
    this.#session.connection?.destroy("its transaction was given up");
    if (query.sentAs === "commit" || query.sentAs === "rollback") this.#record = undefined;
  }

  #keepEffects({ sessionEffects, verb, text }: Statement): void {
    const { effects } = this.#session;
    for (const effect of sessionEffects) {
      // What it listens to is listened to again; nothing is lost but notifications, and that is told.
      if (effect === "listen") continue;
      if (effect !== "discard") effects.add(effect);
      else if (verb === "discard" && /\ball\b/i.test(text)) effects.clear();
    }
  }

  #finishSoon(query: ClientQuery, error: Error | undefined, results: Results | undefined): void {
    process.nextTick(() => this.#finish(query, error, results));
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

  // -- queries of other classes, and hooks ----------------------------------------------------------------------------

  async #startForeign(work: ForeignQuery): Promise<void> {
    try {
      const record = this.#record;
      if (record !== undefined) {
        record.mayWrite = true;
        if (record.phase === "held") await this.#beginAlone(record);
        else if (!this.#session.isUsable) throw this.#session.connection?.lostBy;
        record.cannotReplay("a cursor or a query object of its own was used in it");
      } else if (this.#session.effects.size > 0 && !this.#session.isUsable) {
        throw new SessionStateLostError([...this.#session.effects], this.#session.connection?.lostBy);
      }
      const connection = await this.#session.reconnect(performance.now() + this.#core.holdMaxMs);
      work.send(connection.client, () => this.#finish(work, undefined, undefined));
    } catch (error) {
      work.fail(error as Error, this.connection);
      this.#finish(work, undefined, undefined);
    }
  }

  /** P5. Like a statement, but it can be lost in the middle of its answer. */
  async #startCursor(work: CursorQuery): Promise<void> {
    const asked = new ClientQuery(this, { text: work.text, ...(work.boundValues && { values: work.boundValues }) });
    const use = this.#core.uses.of(work.text);
    const record = this.#record;
    asked.use = use;
    asked.sentAs = record !== undefined ? "in-transaction" : use.autocommit === "read" ? "read" : "call";
    if (record !== undefined && mayWrite(use.statement)) record.mayWrite = true;
    const hooks: CursorHooks = {
      over: () => this.#cursorOver(work, asked, record),
      lost: (cause) => void this.#findCursor(work, asked, cause),
      differs: (error) => record && this.#giveUp(record, asked, error),
    };
    try {
      if (record?.phase === "held") await this.#beginAlone(record);
      work.start((await this.#connectionFor(asked)).client, hooks);
      asked.wasSent = true;
    } catch (error) {
      if (record !== undefined) this.#giveUp(record, asked, error);
      work.fail(error as Error);
      this.#finish(work, undefined, undefined);
    }
  }

  /** The session's connection, brought back to where its caller believes it to be. */
  async #connectionFor(query: ClientQuery, cause?: unknown): Promise<ServerConnection> {
    const { connection } = this.#session;
    if (connection === undefined || connection.isLost)
      await new Recovery(this.#session, this.#record, query, cause ?? connection?.lostBy).run();
    return this.#session.reconnect(performance.now() + this.#core.holdMaxMs);
  }

  async #findCursor(work: CursorQuery, asked: ClientQuery, cause: unknown): Promise<void> {
    this.#session.connection?.destroy(cause instanceof Error ? cause.message : String(cause));
    try {
      work.resume((await this.#connectionFor(asked, cause)).client);
    } catch (error) {
      if (this.#record !== undefined) this.#giveUp(this.#record, asked, error);
      work.fail(error as Error);
    }
  }

  #cursorOver(work: CursorQuery, asked: ClientQuery, record: TransactionRecord | undefined): void {
    const { statement } = asked.use ?? {};
    if (record !== undefined && record === this.#record && statement !== undefined) {
      asked.digest = work.digest;
      if (work.isComplete && work.rowsRead <= mostCursorRows) record.add(asked, statement);
      else record.cannotReplay("a cursor of it was closed before its end, failed, or read very many rows");
      if (this.#session.isUsable) this.#followTransaction(record, statement);
    }
    this.#finish(work, undefined, undefined);
  }

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
    if (kindOfError(error) === "ended") this.#record?.cannotReplay(`the server ended the session: ${String(error)}`);
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

/**
 * `query_timeout` of a COMMIT or of a marked write: `pg` gave up, the server did not. And a session that was ended by
 * a time-out of its owner: what it said last need not be about the commit.
 */
const isNoAnswer = (query: ClientQuery, kind: ErrorKind, error: Error): boolean =>
  (query.sentAs === "commit" || query.sentAs === "marked") &&
  (kind === "ended" || (stateOf(error) === "" && !query.isComplete));

const ownValue = (value: unknown): unknown => {
  const prepared = prepareValue(value);
  return prepared instanceof Uint8Array ? Buffer.from(prepared) : prepared;
};

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
