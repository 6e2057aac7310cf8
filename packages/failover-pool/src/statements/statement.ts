/**
 * What the text of one query says, as far as text can say it: the result of `analyseStatement`.
 *
 * Rule of this folder: in doubt the answer is the one that promises less. A statement that is called "read" and
 * writes would be run twice; one that is called "unknown" and only reads costs an error that could have been avoided.
 */

/**
 * - read: SELECT, VALUES, TABLE, SHOW, EXPLAIN that writes nothing as far as its text shows; all functions it calls
 *   are PostgreSQL's own and have no effects. (Views may still call others: `isProvenReadOnly`.)
 * - call: a SELECT of functions whose effects the text does not show, or of some with effects (nextval).
 * - write: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, and any SELECT with a data-modifying WITH.
 * - ddl: changes the schema, works inside a transaction (CREATE TABLE AS and SELECT INTO too).
 * - not-in-transaction: PostgreSQL refuses it inside a transaction block, or may (VACUUM, CREATE DATABASE, ...).
 * - session: changes what only this session has (SET, RESET, DISCARD, LOAD); see `sessionEffects`.
 * - two-phase: PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
 * - several: more than one statement in one text, see `parts`.
 * - empty: nothing but comments and white space.
 * - unknown: DO, CALL, what is not closed or not understood.
 */
export type StatementKind =
  | "read"
  | "call"
  | "write"
  | "begin"
  | "commit"
  | "rollback"
  | "savepoint"
  | "rollback-to"
  | "release"
  | "set-local"
  | "session"
  | "listen"
  | "unlisten"
  | "notify"
  | "copy"
  | "prepare"
  | "execute"
  | "deallocate"
  | "declare-cursor"
  | "fetch"
  | "close-cursor"
  | "lock"
  | "ddl"
  | "not-in-transaction"
  | "two-phase"
  | "several"
  | "empty"
  | "unknown";

/** What a new session would not have (P6). */
export type SessionEffect =
  | "setting"
  | "advisory-lock"
  | "temporary-object"
  | "prepared-statement"
  | "cursor-with-hold"
  /** LISTEN, and UNLISTEN which ends it: followed by `Subscriptions`. */
  | "listen"
  /** DISCARD ALL: ends all earlier ones. */
  | "discard"
  /** LOAD, currval() and lastval() of a sequence read by this session earlier, ... */
  | "other";

export interface BeginOptions {
  readonly isolation?: "serializable" | "repeatable read" | "read committed" | "read uncommitted";
  readonly access?: "read only" | "read write";
  readonly deferrable?: boolean;
}

/** Unquoted names are folded to lower case, as PostgreSQL does; quoted ones are as written. */
export interface ObjectName {
  readonly schema?: string;
  readonly name: string;
}

export interface Statement {
  readonly text: string;
  readonly kind: StatementKind;
  /** The verb of the statement itself, after any WITH: `insert`, `select`, `create`, ... Empty where there is none. */
  readonly verb: string;
  /** Of `begin` and SET TRANSACTION. */
  readonly begin?: BeginOptions;
  /** COMMIT or ROLLBACK ... AND CHAIN: another transaction begins at once. */
  readonly isChained: boolean;
  /** Of savepoint, rollback-to, release, declare-cursor, fetch, prepare, execute, deallocate, listen, unlisten, notify.
   *  Absent for "all of them" (`*`, ALL). */
  readonly name?: string;
  readonly sessionEffects: readonly SessionEffect[];
  /** Everything that is called with parentheses and could be a function. */
  readonly functions: readonly ObjectName[];
  /** Every name in the text, calls and key words included: more than the relations that it reads, never fewer. */
  readonly names: readonly string[];
  /** random(), clock_timestamp(), now(), sequences: run again, its result may differ though the data do not. */
  readonly hasVolatileResult: boolean;
  /** A WITH holds INSERT, UPDATE, DELETE or MERGE. */
  readonly hasModifyingWith: boolean;
  /** FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE. */
  readonly locksRows: boolean;
  /** SET [LOCAL] synchronous_commit, or set_config of it: the pool must refuse to have it lowered (D4). */
  readonly setsSynchronousCommit: boolean;
  /** The highest n of `$n`, 0 without any. */
  readonly highestParameter: number;
  /** Of `several`. */
  readonly parts: readonly Statement[];
}

/** `query` of a connection to the new primary, in a session of its own. */
export type Ask = (text: string, values: readonly unknown[]) => Promise<{ readonly rows: readonly Row[] }>;
export type Row = Readonly<Record<string, unknown>>;
