/**
 * Sends the statements of one client, deals with their answers, and recovers what was lost on the way.
 *
 * Of each statement it knows how it was sent (`SentAs`), so that a lost connection leads to the right plan
 * (`loss-plan.ts`, carried out by `recovery.ts`).
 *
 * States (`record`): no transaction; a transaction whose BEGIN is held back (nothing of it is at the server); one that
 * is recorded statement by statement.
 *
 * Invariants:
 * - "Committed" is told only when the server said so without a warning about replication, or its marker says so and a
 *   later write was replicated (P4, D4).
 * - A COMMIT that was answered by ROLLBACK is an error, and so is a lowered `synchronous_commit`.
 * - What the server says of the pool's own additions (markers, names) never reaches the caller.
 */
import type { ServerConnection } from "../connection/server-connection.ts";
import { kindOfError, stateOf, type ErrorKind } from "../errors/error-table.ts";
import { RolledBackError, SessionStateLostError, SynchronousCommitError } from "../errors/pool-errors.ts";
import { changesSubscriptions } from "../notifications/subscriptions.ts";
import type { PoolCore } from "../pool/pool-core.ts";
import type { Statement } from "../statements/statement.ts";
import { resultOfTag, type ClientQuery, type Results } from "./client-query.ts";
import type { ClientSession } from "./client-session.ts";
import { composeStatement } from "./compose-statement.ts";
import { confirmAnswer } from "./confirm-answer.ts";
import { forgetMarkerStatement } from "./marker-messages.ts";
import { correctPosition, isAboutMarker, remedyFor } from "./marker-refusal.ts";
import { Recovery } from "./recovery.ts";
import { lowersSynchronousCommit, mayWrite, recordedAs } from "./statement-rules.ts";
import type { StatementUse } from "./statement-use.ts";
import { TransactionRecord } from "./transaction-record.ts";

export interface RunnerHooks {
  /** The statement is over: its caller is told. */
  finish(query: ClientQuery, error: Error | undefined, results: Results | undefined): void;
  stateLost(error: SessionStateLostError): void;
}

export class StatementRunner {
  record: TransactionRecord | undefined;

  constructor(
    private readonly core: PoolCore,
    private readonly session: ClientSession,
    private readonly hooks: RunnerHooks,
  ) {}

  /** True where nothing of a transaction is at the server. */
  abandonTransaction(): boolean {
    const isClean = this.record === undefined || this.record.phase === "held";
    this.record = undefined;
    return isClean;
  }

  start(query: ClientQuery): void {
    const { callerText } = query;
    if (!this.core.continuity.isOn || typeof callerText !== "string") return this.#send(query);
    const use = this.core.uses.of(callerText);
    query.use = use;
    const { statement } = use;
    if (this.record === undefined) this.#adoptTransaction();
    if (statement.kind === "deallocate" || statement.sessionEffects.includes("discard")) this.#forgetMarkerStatement();
    if (statement.setsSynchronousCommit && lowersSynchronousCommit(statement))
      return this.#finishSoon(query, new SynchronousCommitError(), undefined);
    if (this.record !== undefined) return this.#startInTransaction(query, this.record, statement);
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
    const { connection } = this.session;
    if (connection === undefined || connection.isLost) return;
    const status = connection.client.getTransactionStatus();
    if (status !== "T" && status !== "E") return;
    this.record = new TransactionRecord("BEGIN", this.core.continuity);
    this.record.phase = status === "E" ? "failed" : "open";
    this.record.mayWrite = true;
    this.record.cannotReplay("it was begun inside a longer text");
  }

  /** BEGIN is answered here, and goes out with the first statement. */
  #hold(query: ClientQuery): void {
    this.record = new TransactionRecord(query.callerText, this.core.continuity);
    this.record.isReadOnly = query.use?.statement.begin?.access === "read only";
    const tag = /^\s*begin/i.test(query.callerText) ? "BEGIN" : "START TRANSACTION";
    this.#finishSoon(query, undefined, resultOfTag(tag, this.session.types));
  }

  #forgetMarkerStatement(): void {
    const { connection } = this.session;
    if (connection !== undefined) forgetMarkerStatement(connection.client.connection);
  }

  #startWrite(query: ClientQuery, use: StatementUse): void {
    const { markers } = this.core;
    if (!markers.isKnown) {
      this.#makeMarkers(query, () => this.#startWrite(query, use));
      return;
    }
    const given = query.callerValues?.length ?? 0;
    if (markers.isReady && use.marked?.callerParameters === given && query.rows === undefined) {
      query.sentAs = "marked";
      query.operation = this.core.keys.next();
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
      this.record = undefined;
      return this.#finishSoon(query, undefined, resultOfTag("ROLLBACK", this.session.types));
    }
    query.sentAs = "in-transaction";
    if (statement.begin?.access === "read only") record.isReadOnly = true;
    if (mayWrite(statement)) record.mayWrite = true;
    const how = recordedAs(statement);
    if (how.unreplayable !== undefined) record.cannotReplay(how.unreplayable);
    query.keepsSeen = statement.verb === "insert";
    // Before the transaction begins: inside it the table cannot be made any more, should a later statement write.
    if (!record.isReadOnly && !this.core.markers.isKnown && record.phase === "held") {
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
    void this.beginAlone(record).then(
      () => this.#send(query),
      (error: unknown) => this.hooks.finish(query, error as Error, undefined),
    );
  }

  async beginAlone(record: TransactionRecord): Promise<void> {
    const connection = await this.session.reconnect(performance.now() + this.core.holdMaxMs);
    const { error } = await this.session.run(connection, { text: record.begin });
    if (error !== undefined) throw error;
    record.phase = "open";
  }

  #commit(query: ClientQuery, record: TransactionRecord): void {
    query.sentAs = "commit";
    if (record.phase === "held" && query.use?.statement.isChained !== true) {
      this.record = undefined;
      return this.#finishSoon(query, undefined, resultOfTag("COMMIT", this.session.types));
    }
    this.#send(query);
  }

  /** The table is made on the session's own connection, before the first statement that needs it. */
  #makeMarkers(query: ClientQuery, then: () => void): void {
    const deadlineMs = performance.now() + this.core.holdMaxMs;
    const make = async (): Promise<void> => {
      for (;;) {
        const connection = await this.session.reconnect(deadlineMs);
        try {
          return await this.core.markers.make(connection);
        } catch (error) {
          if (!connection.isLost) throw error;
        }
      }
    };
    make().then(then, (error: unknown) => this.hooks.finish(query, error as Error, undefined));
  }

  #send(query: ClientQuery): void {
    const { connection } = this.session;
    if (connection === undefined || connection.isLost) {
      query.wasSent = false;
      void this.#recover(query, connection?.lostBy);
      return;
    }
    try {
      composeStatement(query, this.record, this.core);
    } catch (error) {
      return this.#finishSoon(query, error as Error, undefined);
    }
    query.makeReady(query.sentAs === "in-transaction");
    connection.client.query(query as never);
  }

  // -- answers --------------------------------------------------------------------------------------------------------

  answered(query: ClientQuery, error: Error | undefined, results: Results | undefined): void {
    const { connection } = this.session;
    if (error !== undefined) return this.#failed(query, error);
    if (connection?.syncWaitWasCancelled === true) {
      void this.#confirm(query, connection, results);
      return;
    }
    this.#succeeded(query, results);
  }

  #succeeded(query: ClientQuery, results: Results | undefined): void {
    const record = this.record;
    const statement = query.use?.statement;
    if (record === undefined) {
      if (statement !== undefined && statement.sessionEffects.length > 0) {
        if (changesSubscriptions(statement)) this.session.subscriptions.succeeded(statement, false);
        this.#keepEffects(statement);
      }
      return this.hooks.finish(query, undefined, results);
    }
    if (query.sentAs === "commit") return this.#committed(query, record, results);
    if (statement !== undefined) {
      if (changesSubscriptions(statement)) this.session.subscriptions.succeeded(statement, true);
      record.add(query, statement);
      if (statement.sessionEffects.length > 0) record.effects.push(statement);
    }
    this.followTransaction(record, statement);
    this.hooks.finish(query, undefined, results);
  }

  #committed(query: ClientQuery, record: TransactionRecord, results: Results | undefined): void {
    const all = Array.isArray(results) ? results : [results];
    const last = all.at(-1);
    if (last?.command !== "ROLLBACK") this.session.subscriptions.committed();
    this.#endRecord(record, query.use?.statement.isChained === true);
    if (last?.command === "ROLLBACK") return this.hooks.finish(query, new RolledBackError(), undefined);
    this.hooks.finish(query, undefined, results);
  }

  /** The server's own word for whether a transaction stands. */
  followTransaction(record: TransactionRecord, statement: Statement | undefined): void {
    const status = this.session.connection?.client.getTransactionStatus();
    if (status === "I") this.#endRecord(record, false);
    else if (statement?.kind === "rollback") this.#endRecord(record, statement.isChained);
    else record.phase = status === "E" ? "failed" : "open";
  }

  #endRecord(record: TransactionRecord, isChained: boolean): void {
    for (const statement of record.effects) this.#keepEffects(statement);
    this.session.subscriptions.rolledBack();
    this.record = undefined;
    if (!isChained) return;
    this.record = new TransactionRecord(record.begin, this.core.continuity);
    this.record.phase = "open";
    this.record.isReadOnly = record.isReadOnly;
  }

  #failed(query: ClientQuery, error: Error): void {
    const { connection } = this.session;
    const kind = kindOfError(error);
    const isLost = connection === undefined || connection.isLost || kind === "lost";
    // `pg` refused to send it; nothing has changed.
    if (!isLost && !query.wasSent) return this.hooks.finish(query, error, undefined);
    if (isLost || isNoAnswer(query, kind, error)) {
      connection?.destroy(error.message);
      void this.#recover(query, error);
      return;
    }
    if (kind === "not-primary" && this.record?.isReadOnly !== true) {
      void this.#askWhetherPrimary(query, connection, error);
      return;
    }
    this.#refused(query, error, kind === "ended");
  }

  /** The server refused the statement, and it is the caller's to know; or it refused what is ours in it. */
  #refused(query: ClientQuery, error: Error, hasEnded: boolean): void {
    const record = this.record;
    if (isAboutMarker(query, error, this.core.marker.table)) return this.#markerRefused(query, error);
    if (record !== undefined) {
      if (hasEnded) record.cannotReplay(`the server ended the session: ${error.message}`);
      if (stateOf(error) === "") {
        // No word of the server's: `query_timeout`, or a type parser of the caller's. The statement may still run.
        record.cannotReplay(`the caller gave up a statement: ${error.message}`);
      } else if (query.sentAs === "commit" && record.phase === "open") {
        this.#endRecord(record, false);
        if (query.isMarkerOpen) {
          void this.#rollBack(query, error);
          return;
        }
      } else {
        if (query.use !== undefined && query.sentAs === "in-transaction") record.add(query, query.use.statement);
        record.phase = "failed";
      }
    }
    if (query.sentAs === "marked") correctPosition(query, error);
    this.hooks.finish(query, error, undefined);
  }

  /** A conflict, a time-out, ... hit the marker instead of COMMIT: for the caller it is COMMIT that failed. */
  async #rollBack(query: ClientQuery, error: Error): Promise<void> {
    const { connection } = this.session;
    if (connection !== undefined && !connection.isLost) {
      const rolledBack = await this.session.run(connection, { text: "ROLLBACK" });
      if (rolledBack.error !== undefined) connection.destroy("ROLLBACK failed");
    }
    this.hooks.finish(query, error, undefined);
  }

  #markerRefused(query: ClientQuery, error: Error): void {
    const { markers, uses } = this.core;
    const { use } = query;
    const remedy = remedyFor(error);
    query.markerRefusals++;
    query.operation = undefined;
    if (use !== undefined && query.sentAs === "marked") uses.renew(use);
    if (remedy === "make-table") markers.forget();
    if (remedy === "give-up-markers") markers.giveUp(error.message);
    if (remedy === "go-unmarked" && this.record !== undefined) this.record.isReadOnly = true;
    if (remedy === "go-unmarked" && query.sentAs === "marked") {
      query.sentAs = "call";
      return this.#send(query);
    }
    if (query.sentAs === "marked" && use !== undefined) return this.#startWrite(query, use);
    void this.#beginAgain(query, error);
  }

  /** The marker's refusal undid the transaction, and nothing was committed: again, without that obstacle. */
  async #beginAgain(query: ClientQuery, error: Error): Promise<void> {
    const { connection } = this.session;
    if (connection !== undefined && !connection.isLost) {
      const rolledBack = await this.session.run(connection, { text: "ROLLBACK" });
      if (rolledBack.error !== undefined) connection.destroy("ROLLBACK failed");
      else await this.core.markers.make(connection).catch(() => undefined);
    }
    query.wasSent = false;
    return this.#recover(query, error);
  }

  async #askWhetherPrimary(query: ClientQuery, connection: ServerConnection, error: Error): Promise<void> {
    await this.core.finder.doubt();
    if (!(await this.core.isStandby(connection.primary))) return this.#refused(query, error, false);
    // A standby took nothing of it.
    query.wasSent = false;
    connection.destroy("its server is a standby now");
    return this.#recover(query, error);
  }

  /** D4: the wait for the standby was cancelled, so this answer is none until a later write was waited for. */
  async #confirm(query: ClientQuery, connection: ServerConnection, results: Results | undefined): Promise<void> {
    try {
      await confirmAnswer(this.core, connection);
      this.#succeeded(query, results);
    } catch (error) {
      connection.destroy("a wait for synchronous replication was cancelled");
      void this.#recover(query, error);
    }
  }

  async #recover(query: ClientQuery, cause: unknown): Promise<void> {
    if (!this.core.continuity.isOn)
      return this.hooks.finish(query, (cause ?? new Error("Connection terminated unexpectedly")) as Error, undefined);
    const record = this.record;
    try {
      const recovered = await new Recovery(this.session, record, query, cause).run();
      if (recovered.type === "send") {
        query.wasSent = false;
        return this.#send(query);
      }
      if (query.sentAs === "commit") this.session.subscriptions.committed();
      if (record !== undefined && (query.sentAs === "commit" || query.sentAs === "rollback"))
        this.#endRecord(record, query.use?.statement.isChained === true);
      this.hooks.finish(query, undefined, recovered.results);
    } catch (error) {
      if (record !== undefined) this.giveUp(record, query, error);
      if (error instanceof SessionStateLostError) this.hooks.stateLost(error);
      this.hooks.finish(query, error as Error, undefined);
    }
  }

  /** The caller was told; until its ROLLBACK the transaction counts as failed, and there is nothing to roll back. */
  giveUp(record: TransactionRecord, query: ClientQuery, error: unknown): void {
    record.cannotReplay(error instanceof Error ? error.message : String(error));
    record.phase = "failed";
    this.session.connection?.destroy("its transaction was given up");
    if (query.sentAs === "commit" || query.sentAs === "rollback") this.record = undefined;
  }

  #keepEffects({ sessionEffects, verb, text }: Statement): void {
    const { effects } = this.session;
    for (const effect of sessionEffects) {
      // What it listens to is listened to again; nothing is lost but notifications, and that is told.
      if (effect === "listen") continue;
      if (effect !== "discard") effects.add(effect);
      else if (verb === "discard" && /\ball\b/i.test(text)) effects.clear();
    }
  }

  #finishSoon(query: ClientQuery, error: Error | undefined, results: Results | undefined): void {
    process.nextTick(() => this.hooks.finish(query, error, results));
  }
}

/**
 * `query_timeout` of a COMMIT or of a marked write: `pg` gave up, the server did not. And a session that was ended by
 * a time-out of its owner: what it said last need not be about the commit.
 */
const isNoAnswer = (query: ClientQuery, kind: ErrorKind, error: Error): boolean =>
  (query.sentAs === "commit" || query.sentAs === "marked") &&
  (kind === "ended" || (stateOf(error) === "" && !query.isComplete));
