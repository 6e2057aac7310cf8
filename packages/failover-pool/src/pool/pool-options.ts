/** Options of a `FailoverPool`: those of `pg.Pool`, and these. */
import type { PoolConfig, PoolClient } from "pg";
import type { HostAddress } from "../primary/host-list.ts";
import type { PrimaryHint } from "../primary/primary-finder.ts";

/** Somebody who knows where writes go now. A shortcut: without news the pool asks all hosts by itself. */
export interface PrimaryNews {
  /** Returns what ends the subscription. */
  subscribe(listener: (hint: PrimaryHint) => void): () => void;
}

export interface FailoverPoolOptions extends Omit<PoolConfig, "onConnect"> {
  /** The instances of the database. Or several hosts in `connectionString`, or one `host` as for `pg.Pool`. */
  readonly hosts?: readonly HostAddress[] | undefined;
  /** How long a caller is held while there is no primary, and how long an outcome is looked for. 30 s. */
  readonly holdMaxMs?: number | undefined;
  /** More are refused at once while there is no primary. 1,000. */
  readonly holdMaxCallers?: number | undefined;
  /** False: no markers and no replay; a lost connection is an error, as with `pg.Pool`. True. */
  readonly continuity?: boolean | ContinuityOptions | undefined;
  /** `system_identifier` of the database. Without it the first server that answers says it. */
  readonly expectedSystemIdentifier?: string | undefined;
  readonly news?: PrimaryNews | undefined;
  /** Where markers stand, `schema.table`. understudy.commit_outcome. */
  readonly markerTable?: string | undefined;
  /** Run on each new connection, the ones that replace a lost one too. */
  readonly onConnect?: ((client: PoolClient) => void | Promise<void>) | undefined;
}

export interface ContinuityOptions {
  /** Statements of one transaction that are kept for its replay. 1,000. */
  readonly maxStatements?: number;
  /** Bytes of parameters and texts of one transaction that are kept. 4 MiB. */
  readonly maxBytes?: number;
  /** How long outcomes are looked for behind the caller's back. 1 h, the most that pruning allows. */
  readonly resolveMaxMs?: number;
}

export interface ContinuitySettings {
  readonly isOn: boolean;
  readonly maxStatements: number;
  readonly maxBytes: number;
  readonly resolveMaxMs: number;
}

const hourMs = 3_600_000;

export function continuitySettings(option: FailoverPoolOptions["continuity"]): ContinuitySettings {
  const given = typeof option === "object" ? option : {};
  return {
    isOn: option !== false,
    maxStatements: given.maxStatements ?? 1_000,
    maxBytes: given.maxBytes ?? 4 * 1024 * 1024,
    resolveMaxMs: Math.min(given.resolveMaxMs ?? hourMs, hourMs),
  };
}
