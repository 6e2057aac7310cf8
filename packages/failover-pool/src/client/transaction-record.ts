/**
 * One transaction as its caller saw it: every statement with a digest of its result, so that it can be run again (P3).
 *
 * States: `held` (BEGIN is not sent yet, nothing is at the server), `open`, `failed` (a statement failed; only
 * ROLLBACK or ROLLBACK TO help). `unreplayable` says why it cannot be run again, where it cannot.
 *
 * Invariants: bounded in statements and bytes; beyond that it is unreplayable, never silently cut. A statement is
 * recorded when its answer is there, before the caller has it.
 */
import type { Statement } from "../statements/statement.ts";
import type { ClientQuery, SeenRows } from "./client-query.ts";
import type { ResultDigest } from "./result-digest.ts";

export interface RecordedStatement {
  readonly statement: Statement;
  readonly text: string;
  readonly name: string | undefined;
  /** As they went over the wire: what the caller does to its objects afterwards changes nothing. */
  readonly values: unknown[] | undefined;
  readonly queryMode: string | undefined;
  readonly binary: boolean | undefined;
  readonly digest: ResultDigest | undefined;
  readonly seen: SeenRows | undefined;
}

export interface RecordLimits {
  readonly maxStatements: number;
  readonly maxBytes: number;
}

function bytesOf(values: readonly unknown[] | undefined): number {
  let bytes = 0;
  for (const value of values ?? []) {
    if (typeof value === "string") bytes += value.length;
    else if (value instanceof Uint8Array) bytes += value.byteLength;
  }
  return bytes;
}

export class TransactionRecord {
  readonly statements: RecordedStatement[] = [];
  phase: "held" | "open" | "failed" = "held";
  /** Anything that may have written: then its COMMIT gets a marker. */
  mayWrite = false;
  /** Begun READ ONLY: a marker would be refused, and nothing can be written. */
  isReadOnly = false;
  unreplayable: string | undefined;
  /** Statements that changed the session: its state from here on, once the transaction is over. */
  readonly effects: Statement[] = [];
  /** Of the marker; rises with each replay. */
  attempt = 1;
  #bytes = 0;

  constructor(
    readonly begin: string,
    private readonly limits: RecordLimits,
  ) {}

  /** `query` has been answered. */
  add(query: ClientQuery, statement: Statement): void {
    if (this.unreplayable !== undefined) return;
    this.#bytes += 200 + query.callerText.length + bytesOf(query.values);
    if (this.statements.length >= this.limits.maxStatements || this.#bytes > this.limits.maxBytes)
      return this.cannotReplay(
        `it is longer than ${this.limits.maxStatements} statements or ${this.limits.maxBytes} bytes`,
      );
    this.statements.push({
      statement,
      text: query.callerText,
      name: query.callerName,
      values: query.values,
      queryMode: query.queryMode,
      binary: query.binary,
      digest: query.digest,
      seen: query.seen,
    });
  }

  cannotReplay(why: string): void {
    this.unreplayable ??= why;
    this.statements.length = 0;
  }
}
