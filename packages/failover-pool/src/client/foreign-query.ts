/**
 * A query object of another class (`pg.Query`, `pg-cursor`, `pg-query-stream`): it speaks to the connection itself, so
 * it is passed on as it is. What it does is not known, so it is never sent again.
 */
import type { PgClient, PgConnection, PgQueryCallback } from "../connection/pg-internals.ts";
import type { QueryOwner } from "./client-query.ts";

export interface Submittable {
  submit(connection: unknown): unknown;
  callback?: unknown;
  handleError?: (error: Error, connection: unknown) => void;
  handleReadyForQuery?: (connection: unknown) => void;
}

export class ForeignQuery {
  readonly respond: PgQueryCallback | undefined = undefined;
  holdUntilMs: number | undefined;
  owner: QueryOwner | undefined;

  constructor(
    readonly submittable: Submittable,
    readonly values: unknown,
    readonly callback: unknown,
  ) {}

  /** `done` once, when the connection is free for the next statement. */
  send(client: PgClient, done: () => void): void {
    const { submittable } = this;
    let isDone = false;
    const finish = (): void => {
      if (isDone) return;
      isDone = true;
      done();
    };
    const { handleError, handleReadyForQuery } = submittable;
    submittable.handleError = (error, connection) => {
      handleError?.call(submittable, error, connection);
      finish();
    };
    submittable.handleReadyForQuery = (connection) => {
      handleReadyForQuery?.call(submittable, connection);
      finish();
    };
    (client.query as (...all: unknown[]) => unknown)(submittable, this.values, this.callback);
  }

  /** It could not be sent. */
  fail(error: Error, connection: PgConnection | undefined): void {
    if (typeof this.submittable.callback !== "function") {
      if (typeof this.values === "function") this.submittable.callback = this.values;
      else if (this.callback !== undefined) this.submittable.callback = this.callback;
    }
    this.submittable.handleError?.(error, connection);
  }
}
