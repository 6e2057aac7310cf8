/**
 * What this package uses of `pg` beyond its public types. Source: pg 8.23 lib/client.js, lib/query.js, pg-pool 3.14.
 * Kept in one place, so that a change of `pg` shows here first; the tests of this package pin the behaviour.
 */
import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import pg from "pg";

export interface PgConnection extends EventEmitter {
  readonly stream: Duplex;
  readonly parsedStatements: Record<string, string | undefined>;
  readonly submittedNamedStatements: Record<string, string | undefined>;
  _send(bytes: Buffer): boolean;
}

/** `pg.Client` as it is. */
export interface PgClient extends Omit<pg.Client, "connection"> {
  readonly connection: PgConnection;
  readonly processID: number | null;
  _queryable: boolean;
  _ending: boolean;
  _getActiveQuery(): unknown;
  getTransactionStatus(): "I" | "T" | "E" | null;
  ref(): void;
  unref(): void;
}

export type PgClientClass = new (config: pg.ClientConfig) => PgClient;

export interface PgResult {
  command: string | null;
  rowCount: number | null;
  oid: number | null;
  rows: unknown[];
  fields: { readonly name: string; readonly dataTypeID: number }[];
  _types: unknown;
  addCommandComplete(message: { readonly text: string }): void;
}

export type PgResultClass = new (rowMode: string | undefined, types: unknown) => PgResult;
export const Result = pg.Result as unknown as PgResultClass;

export interface PgCommandComplete {
  readonly text: string;
}
export interface PgDataRow {
  readonly fields: (string | null)[];
}
export interface PgRowDescription {
  readonly fields: { readonly name: string; readonly dataTypeID: number }[];
}

export type PgQueryCallback = (error: Error | null | undefined, result?: PgResult | PgResult[]) => void;

export interface PgQueryConfig {
  text?: string;
  name?: string;
  values?: unknown[];
  types?: unknown;
  rowMode?: string;
  queryMode?: string;
  binary?: boolean;
  rows?: number;
  portal?: string;
  callback?: PgQueryCallback;
  query_timeout?: number;
}

/** `pg.Query` as it is. */
export interface PgQuery extends EventEmitter {
  text: string;
  name: string | undefined;
  values: unknown[] | undefined;
  rows: number | undefined;
  types: unknown;
  queryMode: string | undefined;
  binary: boolean | undefined;
  callback: PgQueryCallback | undefined;
  _rowMode: string | undefined;
  _result: PgResult;
  _results: PgResult | PgResult[];
  _canceledDueToError: Error | false;
  submit(connection: PgConnection): Error | null;
  requiresPreparation(): boolean;
  hasBeenParsed(connection: PgConnection): boolean;
  handleRowDescription(message: PgRowDescription): void;
  handleDataRow(message: PgDataRow): void;
  handleCommandComplete(message: PgCommandComplete, connection: PgConnection): void;
  handleReadyForQuery(connection: PgConnection): void;
  handleError(error: Error, connection: PgConnection): void;
}

export type PgQueryClass = new (config: string | PgQueryConfig, values?: unknown, callback?: unknown) => PgQuery;
export const Query = pg.Query as unknown as PgQueryClass;

/** How `pg` turns a parameter into what goes over the wire. */
export const prepareValue = (pg as unknown as { utils: { prepareValue: (value: unknown) => string | Buffer | null } })
  .utils.prepareValue;

/** A notice: `routine` names the C function that raised it and is never translated. */
export interface PgNotice {
  readonly code?: string;
  readonly routine?: string;
  readonly message?: string;
}
