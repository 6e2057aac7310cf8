export { FailoverPool, FailoverPool as Pool } from "./pool/failover-pool.ts";
export type { ContinuityOptions, FailoverPoolOptions, PrimaryNews } from "./pool/pool-options.ts";
export type { PoolFigures } from "./pool/pool-figures.ts";
export type { TransactionOptions } from "./pool/run-transaction.ts";
export type { MissedNotifications } from "./notifications/subscriptions.ts";
export type { HostAddress } from "./primary/host-list.ts";
export type { PrimaryHint } from "./primary/primary-finder.ts";
export type { DoubtfulCommit } from "./continuity/outcome-resolver.ts";
export { CursorLostError } from "./cursors/cursor-lost-error.ts";
export { markerTableMigration } from "./continuity/marker-table.ts";
export { kindOfError, type ErrorKind } from "./errors/error-table.ts";
export {
  DatabaseUnavailableError,
  FailoverError,
  OutcomeUnknownError,
  ReplayDivergedError,
  ResultLostError,
  RolledBackError,
  SessionStateLostError,
  SynchronousCommitError,
  TransactionLostError,
  type Committed,
  type HostReason,
} from "./errors/pool-errors.ts";
