/**
 * One connection to one server, for one generation of primary: a `pg.Client` that was admitted, or is being admitted.
 *
 * States: opening (not yet admitted), open, lost (with the error that ended it), closed (by us).
 *
 * Invariants:
 * - Nobody's statement is sent before the server has said who it is, on this very connection: what a probe found a
 *   moment ago may have been replaced by a zombie or a stranger at the same address.
 * - `isLost` is true before any query of this connection is told its error.
 * - D4: a warning that a wait for synchronous replication was cancelled is kept until somebody has dealt with it.
 */
import { refusal, type Seen } from "../primary/choose-primary.ts";
import type { Primary } from "../primary/primary-finder.ts";
import type { PgClient, PgNotice } from "./pg-internals.ts";
import { identityQuery, isLoweredSynchronousCommit, sessionFacts } from "./server-identity.ts";

/** The server is there and may not be written to. The code is PostgreSQL's for that. */
export class NotPrimaryError extends Error {
  override readonly name = "NotPrimaryError";
  readonly code = "25006";
}

/** Names a session of a server: no other session there ever has the same two. */
export interface SessionName {
  readonly pid: number;
  readonly startedAt: string;
}

const isCancelledSyncWait = ({ routine, message }: PgNotice): boolean =>
  routine === "SyncRepWaitForLSN" || (message?.includes("wait for synchronous replication") ?? false);

export class ServerConnection {
  isLost = false;
  lostBy: unknown;
  syncWaitWasCancelled = false;
  onLost: ((error: unknown) => void) | undefined;
  /** For the watch over silence: the query that was unanswered at its last look, and for how many looks. */
  unanswered: unknown;
  unansweredLooks = 0;
  readonly openedAtMs = performance.now();
  #isAdmitted = false;
  #sessionStart = "";

  constructor(
    readonly client: PgClient,
    readonly primary: Primary,
  ) {
    client.on("error", (error: Error) => this.#lose(error));
    client.on("end", () => this.#lose(new Error("Connection terminated unexpectedly")));
    client.on("notice", (notice) => {
      if (isCancelledSyncWait(notice as PgNotice)) this.syncWaitWasCancelled = true;
    });
  }

  get isAdmitted(): boolean {
    return this.#isAdmitted;
  }

  get session(): SessionName {
    return { pid: this.client.processID ?? 0, startedAt: this.#sessionStart };
  }

  /** @throws what `pg` throws; NotPrimaryError. */
  async admit(seen: Seen, keepsSynchronousCommit: boolean): Promise<void> {
    await this.client.connect();
    const facts = sessionFacts((await this.ask(identityQuery, [])).rows[0]);
    const why = refusal(facts, seen);
    if (why !== undefined) throw new NotPrimaryError(`${this.primary.host.id} ${why}.`);
    if (facts.timeline !== this.primary.timeline)
      throw new NotPrimaryError(`${this.primary.host.id} has gone on to timeline ${facts.timeline}.`);
    this.#sessionStart = facts.sessionStart;
    if (keepsSynchronousCommit && isLoweredSynchronousCommit(facts.synchronousCommit))
      await this.ask("SET synchronous_commit = on", []);
    this.#isAdmitted = true;
  }

  async ask(
    text: string,
    values: readonly unknown[],
  ): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[]; readonly rowCount: number | null }> {
    return this.client.query<Record<string, unknown>>(text, [...values]);
  }

  /** At once, without a word to the server: it may not be listening. */
  destroy(reason: string): void {
    this.#lose(new Error(`Connection terminated: ${reason}`));
    this.client.connection.stream.destroy();
  }

  /** In order. */
  close(done: () => void): void {
    this.isLost = true;
    this.onLost = undefined;
    this.client.end().then(done, done);
  }

  #lose(error: unknown): void {
    if (this.isLost) return;
    this.isLost = true;
    this.lostBy = error;
    this.onLost?.(error);
  }
}
