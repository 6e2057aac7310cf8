/**
 * Cursors, and query objects of other classes: they speak to the connection themselves. A cursor can be found again
 * where that is provable (P5, `cursors/`); what any other object does is not known, so it is never sent again.
 */
import { CursorQuery, type CursorHooks } from "../cursors/cursor-query.ts";
import type { ServerConnection } from "../connection/server-connection.ts";
import { SessionStateLostError } from "../errors/pool-errors.ts";
import type { PoolCore } from "../pool/pool-core.ts";
import { ClientQuery } from "./client-query.ts";
import type { ClientSession } from "./client-session.ts";
import type { ForeignQuery } from "./foreign-query.ts";
import { Recovery } from "./recovery.ts";
import { mayWrite } from "./statement-rules.ts";
import type { StatementRunner } from "./statement-runner.ts";
import type { TransactionRecord } from "./transaction-record.ts";

/** A replay reads them all at once, to compare them. */
const mostCursorRows = 10_000;

export class ForeignRunner {
  constructor(
    private readonly core: PoolCore,
    private readonly session: ClientSession,
    private readonly statements: StatementRunner,
    private readonly finish: (work: ForeignQuery) => void,
  ) {}

  start(work: ForeignQuery): void {
    void (work instanceof CursorQuery ? this.#startCursor(work) : this.#startForeign(work));
  }

  async #startForeign(work: ForeignQuery): Promise<void> {
    try {
      const record = this.statements.record;
      if (record !== undefined) {
        record.mayWrite = true;
        if (record.phase === "held") await this.statements.beginAlone(record);
        else if (!this.session.isUsable) throw this.session.connection?.lostBy;
        record.cannotReplay("a cursor or a query object of its own was used in it");
      } else if (this.session.effects.size > 0 && !this.session.isUsable) {
        throw new SessionStateLostError([...this.session.effects], this.session.connection?.lostBy);
      }
      const connection = await this.session.reconnect(performance.now() + this.core.holdMaxMs);
      work.send(connection.client, () => this.finish(work));
    } catch (error) {
      work.fail(error as Error, this.session.connection?.client.connection);
      this.finish(work);
    }
  }

  /** P5. Like a statement, but it can be lost in the middle of its answer. */
  async #startCursor(work: CursorQuery): Promise<void> {
    const asked = new ClientQuery(this.statements, {
      text: work.text,
      ...(work.boundValues && { values: work.boundValues }),
    });
    const use = this.core.uses.of(work.text);
    const record = this.statements.record;
    asked.use = use;
    asked.sentAs = record !== undefined ? "in-transaction" : use.autocommit === "read" ? "read" : "call";
    if (record !== undefined && mayWrite(use.statement)) record.mayWrite = true;
    const hooks: CursorHooks = {
      over: () => this.#cursorOver(work, asked, record),
      lost: (cause) => void this.#findCursor(work, asked, cause),
      differs: (error) => record && this.statements.giveUp(record, asked, error),
    };
    try {
      if (record?.phase === "held") await this.statements.beginAlone(record);
      work.start((await this.#connectionFor(asked)).client, hooks);
      asked.wasSent = true;
    } catch (error) {
      if (record !== undefined) this.statements.giveUp(record, asked, error);
      work.fail(error as Error);
      this.finish(work);
    }
  }

  /** The session's connection, brought back to where its caller believes it to be. */
  async #connectionFor(query: ClientQuery, cause?: unknown): Promise<ServerConnection> {
    const { connection } = this.session;
    if (connection === undefined || connection.isLost)
      await new Recovery(this.session, this.statements.record, query, cause ?? connection?.lostBy).run();
    return this.session.reconnect(performance.now() + this.core.holdMaxMs);
  }

  async #findCursor(work: CursorQuery, asked: ClientQuery, cause: unknown): Promise<void> {
    this.session.connection?.destroy(cause instanceof Error ? cause.message : String(cause));
    try {
      work.resume((await this.#connectionFor(asked, cause)).client);
    } catch (error) {
      if (this.statements.record !== undefined) this.statements.giveUp(this.statements.record, asked, error);
      work.fail(error as Error);
    }
  }

  #cursorOver(work: CursorQuery, asked: ClientQuery, record: TransactionRecord | undefined): void {
    const { statement } = asked.use ?? {};
    if (record !== undefined && record === this.statements.record && statement !== undefined) {
      asked.digest = work.digest;
      if (work.isComplete && work.rowsRead <= mostCursorRows) record.add(asked, statement);
      else record.cannotReplay("a cursor of it was closed before its end, failed, or read very many rows");
      if (this.session.isUsable) this.statements.followTransaction(record, statement);
    }
    this.finish(work);
  }
}
