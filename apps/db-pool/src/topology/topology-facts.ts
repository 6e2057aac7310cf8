/** What is known of one database at one moment, each source for itself. */
import type { DatabaseLease, KeeperState } from "@understudy/contracts";

/** What PostgreSQL itself answered. */
export interface Sight {
  readonly inRecovery: boolean;
  /** Of the running server; absent while a standby receives nothing. */
  readonly timeline: number | undefined;
  readonly systemIdentifier: string;
  /** Primary: written. Standby: received and flushed. */
  readonly position: string | undefined;
  /** Standby: replayed. */
  readonly replayed: string | undefined;
  /** Standby: whether it streams from a primary now. */
  readonly streams: boolean;
}

export interface InstanceFacts {
  /** Such as `postgres-a`. */
  readonly id: string;
  /** The latest answer, while it is fresh. */
  readonly sight: Sight | undefined;
  /** Why there is no answer. */
  readonly reason: string | undefined;
}

export interface TopologyFacts {
  readonly database: string;
  /** The newest lease seen; absent before the first keeper, and where an operator's own HA decides. */
  readonly lease: DatabaseLease | undefined;
  /** Fresh states only, the newest of each member. */
  readonly keepers: readonly KeeperState[];
  /** As configured, in this order. */
  readonly instances: readonly InstanceFacts[];
  readonly now: number;
}
