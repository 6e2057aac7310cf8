/** What this package needs of a database: shapes, not classes. `pg.Pool` and failover-pool's `FailoverPool` have them. */

/** Where a statement can be run: a pool, a client inside a transaction, TypeORM's EntityManager. */
export interface Transaction {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

export interface QueueClient extends Transaction {
  release(destroy?: Error | boolean): void;
  on(event: "notification", listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  removeAllListeners?(event: string): unknown;
}

export interface QueuePool extends Transaction {
  connect(): Promise<QueueClient>;
}

/** Columns without a value are left out. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export const withoutNulls = <Found>(row: Readonly<Record<string, unknown>>): Found =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as Found;

/** `pg` answers with `{ rows }`, TypeORM with the rows. What they hold is the caller's to know. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function rowsOf<Row>(answer: unknown): readonly Row[] {
  if (Array.isArray(answer)) return answer as Row[];
  return (answer as { readonly rows: Row[] }).rows;
}
