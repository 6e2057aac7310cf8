/** What a keeper knows when it decides: plain values, gathered anew before each decision. */
import type { DatabaseEntry } from "@understudy/contracts";
import type { SynchronousStandbys } from "@understudy/engines";

/** A data folder as it lies on the disk. */
export type DataFacts =
  | { readonly kind: "none" }
  /** Unreadable or damaged: never started, never overwritten without a clone. */
  | { readonly kind: "damaged"; readonly reason: string }
  | {
      readonly kind: "present";
      readonly systemIdentifier: string;
      /** The highest timeline of which it has log. */
      readonly timeline: number;
      /** It starts as a standby. */
      readonly isStandby: boolean;
      /** Ended in order: its log ends with the checkpoint at `checkpointAt`. */
      readonly isCleanlyShutDown: boolean;
      readonly checkpointAt: bigint;
    };

/** One standby as the primary's PostgreSQL sees it. */
export interface StandbyFacts {
  readonly member: string;
  /** Sends answers and is past its catching up. */
  readonly isStreaming: boolean;
  /** PostgreSQL counts it among those that commits wait for. */
  readonly isSynchronous: boolean;
  readonly flushedAt: bigint;
}

export type PostgresFacts =
  | {
      readonly kind: "stopped";
      /** How its last run under this keeper ended; `none` before the first. */
      readonly end: "none" | "ordered" | "crash";
      /** It was primary when it ended, and these standbys streamed when it was last looked at. */
      readonly streamingAtEnd: readonly string[];
      /** Starts that failed one after the other. */
      readonly failedStarts: number;
    }
  /** Started, does not answer SQL yet; or a promotion is under way. */
  | { readonly kind: "starting"; readonly role: "primary" | "standby" }
  | {
      readonly kind: "running";
      readonly role: "primary" | "standby";
      /** It was told to promote itself and has not done so yet. */
      readonly isPromoting: boolean;
      readonly timeline: number;
      readonly systemIdentifier: string;
      /** Milliseconds without an answer while the keeper itself ran well. */
      readonly unansweredMs: number;
      readonly access: "open" | "closed";
      /** What commits wait for (standby: would wait for), as written and proven to be in force. */
      readonly waitsFor: SynchronousStandbys;
      /** Primary: the end of the log when it began to be primary. */
      readonly recoveredTo: bigint;
      /** Primary: what `pg_stat_replication` says. */
      readonly standbys: readonly StandbyFacts[];
      /** Primary: since when (own clock) each member that should stream does not; by member. */
      readonly missingMs: Readonly<Record<string, number>>;
      /** Primary: after `waitsFor` last grew: a position taken afterwards, beyond which a newcomer must have flushed. */
      readonly joinPosition: bigint | undefined;
      /** Standby: the member that it is told to follow. */
      readonly upstream: string | undefined;
      /** Standby: milliseconds since it last received from its upstream, while that is open. */
      readonly notStreamingMs: number;
    };

/** The lease with its entry as last seen, or held. */
export interface LeaseFacts {
  readonly term: number;
  readonly entry: DatabaseEntry;
  /** me: this incarnation. former-self: this keeper before its restart. */
  readonly holder: "me" | "former-self" | "other";
  readonly isReleased: boolean;
  readonly revision: number;
}

export interface KeeperFacts {
  readonly member: string;
  readonly members: readonly string[];
  /** Undefined: nobody ever had one, or none was seen yet (`isLeaseKnown`). */
  readonly lease: LeaseFacts | undefined;
  readonly isLeaseKnown: boolean;
  /** This process may act as leader at this moment. */
  readonly isLeading: boolean;
  /** Milliseconds since this process stopped acting as leader without seeing a successor; 0 otherwise. */
  readonly unledMs: number;
  /** The term under which PostgreSQL was started or promoted as primary; 0: it was not. */
  readonly primaryTerm: number;
  readonly data: DataFacts;
  readonly postgres: PostgresFacts;
  /** The data was made or adopted by this process: it has the keepers' role and the database. */
  readonly isPrepared: boolean;
  /** The supervisor wants PostgreSQL left down when it ends. */
  readonly isHeld: boolean;
  /** Commits wait for so many standbys, where there are more; for all when undefined (D3). */
  readonly synchronousMost: number | undefined;
  /** It has promised to receive nothing while the lease has this revision, or an older one. */
  readonly stoppedAt: number | undefined;
  /** Standby: whether its data can follow the primary's history without being cloned; undefined while unknown. */
  readonly canFollow: boolean | undefined;
}

export interface KeeperTiming {
  /** A standby that does not stream for so long is taken out (policy `available`). */
  readonly standbyLostMs: number;
  /** PostgreSQL without an answer for so long is killed. */
  readonly frozenMs: number;
  /** A primary without NATS and without anybody who streams from it is fenced after this. */
  readonly unledMostMs: number;
  /** A standby that cannot stream from an open primary for so long is cloned anew. */
  readonly cannotFollowMs: number;
}

export const standardKeeperTiming: KeeperTiming = Object.freeze({
  standbyLostMs: 1_000,
  frozenMs: 2_000,
  // Whoever waits for silence alone starts 15 s after the last renewal at the earliest; leading ends after 12.
  unledMostMs: 3_000,
  cannotFollowMs: 5_000,
});
