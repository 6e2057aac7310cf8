/** A pool's figures since it was made; fields as services publish them. */
export interface PoolFigures {
  /** Absent while there is none. */
  readonly primary?: string;
  readonly open: number;
  readonly idle: number;
  /** Callers that wait because no primary is known. */
  readonly held: number;
  readonly retries: number;
  readonly replays: number;
  readonly resolvedCommitted: number;
  readonly resolvedNotCommitted: number;
  /** Commits whose outcome is not known yet. */
  readonly unresolved: number;
  readonly withoutPrimaryMs: number;
}
