/**
 * Brings a client's session back to where its caller believes it to be, after the connection was lost while `query`
 * was in work. The decisions are `planLoss`; here are their effects.
 *
 * Returns `send`: the session stands right before `query`, which is to be sent (again). Or `answered`: the outcome is
 * known and this is the result. Or throws what the caller is told.
 */
import { kindOfError } from "../errors/error-table.ts";
import {
  DatabaseUnavailableError,
  OutcomeUnknownError,
  ReplayDivergedError,
  ResultLostError,
  SessionStateLostError,
  TransactionLostError,
} from "../errors/pool-errors.ts";
import {
  endLostSession,
  forceOutcome,
  type DoubtfulCommit,
  type ForcedOutcome,
} from "../continuity/outcome-resolver.ts";
import type { ServerConnection } from "../connection/server-connection.ts";
import { isProvenReadOnly } from "../statements/proven-read-only.ts";
import type { Statement } from "../statements/statement.ts";
import { resultOfTag, type ClientQuery, type Results } from "./client-query.ts";
import type { ClientSession } from "./client-session.ts";
import { planLoss } from "./loss-plan.ts";
import { mayEndTransaction, touchesSessionOnly } from "./statement-rules.ts";
import { replay, ReplayConflictError } from "./replay.ts";
import { knownResult } from "./known-result.ts";
import type { TransactionRecord } from "./transaction-record.ts";

export type Recovered = { readonly type: "send" } | { readonly type: "answered"; readonly results: Results };

const send: Recovered = { type: "send" };
const mostConflicts = 5;

export class Recovery {
  readonly #deadlineMs: number;
  /** P6: of the session that was lost; what is run on another one must not need it. */
  readonly #lostEffects: readonly string[];
  #conflicts = 0;

  constructor(
    private readonly session: ClientSession,
    private readonly record: TransactionRecord | undefined,
    private readonly query: ClientQuery,
    private readonly cause: unknown,
  ) {
    query.holdUntilMs ??= performance.now() + session.core.holdMaxMs;
    this.#deadlineMs = query.holdUntilMs;
    this.#lostEffects = session.isUsable ? [] : [...session.effects];
  }

  async run(): Promise<Recovered> {
    const { query, record, session } = this;
    const isInTransaction = record !== undefined && record.phase !== "held";
    const plan = planLoss({
      sentAs: query.sentAs,
      wasSent: query.wasSent,
      hasMarker: query.operation !== undefined,
      mayHaveWritten: record?.mayWrite === true && !record.isReadOnly,
      isInTransaction,
      unreplayable: record?.unreplayable,
      mayEndTransaction: query.use !== undefined && mayEndTransaction(query.use.statement),
      sessionEffects: this.#lostEffects,
    });
    session.core.counters.retries++;
    switch (plan.do) {
      case "tell-rolled-back":
        return { type: "answered", results: resultOfTag("ROLLBACK", session.types) };
      case "tell-session-lost":
        throw this.#stateLost();
      case "tell-not-replayable":
        throw new TransactionLostError(plan.why, this.cause);
      case "tell-unknown":
        throw new OutcomeUnknownError("it was sent, and it carried no marker.", undefined, this.cause);
      case "send-again":
        await session.reconnect(this.#deadlineMs);
        return send;
      case "prove-then-send":
        await this.#prove(
          query.use === undefined || touchesSessionOnly(query.use.statement) ? [] : [query.use.statement],
        );
        return send;
      case "resolve-statement":
        return this.#resolveStatement();
      case "resolve-commit":
        if ((await this.#resolve()) === "committed") return this.#answered(resultOfTag("COMMIT", session.types));
        this.#needState();
        return this.#replay(record as TransactionRecord);
      case "prove-then-replay": {
        const { statements } = record as TransactionRecord;
        // All others of a transaction without marker (SAVEPOINT, SET LOCAL, ...) write nothing.
        await this.#prove(
          statements.map(({ statement }) => statement).filter(({ kind }) => kind === "read" || kind === "call"),
        );
        return this.#replay(record as TransactionRecord);
      }
      case "replay":
        return this.#replay(record as TransactionRecord);
    }
  }

  /** Repeats `work` on new connections until one lives through it. */
  async #onConnection<Value>(work: (connection: ServerConnection) => Promise<Value>): Promise<Value> {
    for (;;) {
      const connection = await this.session.reconnect(this.#deadlineMs);
      const timer = setTimeout(
        () => connection.destroy("the time for which callers are held is over"),
        Math.max(1, this.#deadlineMs - performance.now()),
      );
      try {
        return await work(connection);
      } catch (error) {
        if (!connection.isLost && kindOfError(error) !== "lost") throw error;
        connection.destroy("it was lost while a statement was recovered");
        if (performance.now() >= this.#deadlineMs) throw this.session.core.finder.unavailable(error);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  async #prove(statements: readonly Statement[]): Promise<void> {
    const isProven = await this.#onConnection(async (connection) => {
      for (const statement of statements) {
        if (!(await isProvenReadOnly(statement, (text, values) => connection.ask(text, values)))) return false;
      }
      return true;
    });
    if (!isProven)
      throw new OutcomeUnknownError("it calls what may have effects, and carried no marker.", undefined, this.cause);
  }

  async #replay(record: TransactionRecord): Promise<Recovered> {
    if (record.unreplayable !== undefined) throw new TransactionLostError(record.unreplayable, this.cause);
    const lost = this.session.lastSession;
    for (;;) {
      record.attempt++;
      try {
        await this.#onConnection(async (connection) => {
          if (connection.session.pid !== lost.pid || connection.session.startedAt !== lost.startedAt)
            await endLostSession(connection, this.session.core.marker, lost);
          await replay(this.session, connection, record);
        });
        return send;
      } catch (error) {
        if (!(error instanceof ReplayConflictError)) throw error;
        if (++this.#conflicts > mostConflicts || performance.now() > this.#deadlineMs)
          throw new ReplayDivergedError(this.query.callerText, 0, "was undone again and again by conflicts");
      }
    }
  }

  async #resolveStatement(): Promise<Recovered> {
    const { query, session } = this;
    if ((await this.#resolve()) === "not-committed") {
      this.#needState();
      query.attempt++;
      return send;
    }
    const results = await this.#onConnection((connection) => knownResult(query, session, connection));
    if (results === undefined) throw new ResultLostError(query.callerText, query.operation ?? "", this.cause);
    return this.#answered(results);
  }

  /** Its state is lost all the same: the next statement must be told, so it must not find a connection that works. */
  #answered(results: Results): Recovered {
    if (this.#lostEffects.length > 0) this.session.connection?.destroy("the state of its session was lost");
    return { type: "answered", results };
  }

  #stateLost(): SessionStateLostError {
    return new SessionStateLostError(this.#lostEffects, this.cause);
  }

  #needState(): void {
    if (this.#lostEffects.length === 0) return;
    this.session.connection?.destroy("the state of its session was lost");
    throw this.#stateLost();
  }

  async #resolve(): Promise<ForcedOutcome> {
    const { core, lastSession } = this.session;
    const commit: DoubtfulCommit = {
      operation: this.query.operation ?? "",
      attempt: this.query.attempt,
      session: lastSession,
      since: Date.now(),
      outcome: "open",
    };
    core.doubt(commit);
    try {
      const outcome = await this.#onConnection((connection) => forceOutcome(connection, core.marker, commit));
      core.settled(commit, outcome);
      return outcome;
    } catch (error) {
      void core.settleLater(commit);
      const why = error instanceof DatabaseUnavailableError ? error.message : String(error);
      throw new OutcomeUnknownError(why, commit.operation, error);
    }
  }
}
