import { FailoverPool } from "@understudy/failover-pool";
import { pause } from "@understudy/runtime";
import pg from "pg";
import { writeRow, type Contestant } from "./writers.ts";

export interface Instance {
  readonly id: string;
  /** With user and password. */
  readonly url: string;
}

/** libpq's form for several hosts. */
export function addressOfAll(instances: readonly Instance[]): string {
  const [first] = instances;
  if (first === undefined) throw new RangeError("no instances");
  const url = new URL(first.url);
  const hosts = instances.map((instance) => new URL(instance.url).host).join(",");
  const ids = instances.map(({ id }) => id).join(",");
  return `postgres://${url.username}:${url.password}@${hosts}${url.pathname}?instances=${ids}`;
}

export function failoverPool(instances: readonly Instance[], callers: number): Contestant {
  const pool = new FailoverPool({ connectionString: addressOfAll(instances), max: callers });
  pool.on("error", () => undefined);
  return {
    name: "failover-pool",
    write: async (id, caller) => {
      await pool.query(writeRow, [id, caller]);
    },
    end: () => pool.end(),
  };
}

const retryMs = 25;
const attemptMs = 2_000;

/**
 * What people write today: a `pg.Pool` to the primary, an attempt that failed is repeated, and the primary is looked
 * for among the hosts. `failed` counts attempts that failed, each of which a caller without this loop would have seen.
 */
export class RetryingPool implements Contestant {
  readonly name = "pg.Pool with a retry loop";
  failed = 0;
  #pool: pg.Pool | undefined;
  #finding: Promise<pg.Pool> | undefined;

  constructor(
    private readonly instances: readonly Instance[],
    private readonly callers: number,
  ) {}

  async write(id: string, caller: number): Promise<void> {
    for (;;) {
      const pool = this.#pool ?? (await (this.#finding ??= this.#find()));
      try {
        await pool.query(writeRow, [id, caller]);
        return;
      } catch {
        this.failed += 1;
        if (this.#pool === pool) this.#pool = undefined;
        await pause(retryMs);
      }
    }
  }

  async #find(): Promise<pg.Pool> {
    for (;;) {
      for (const { url } of this.instances) {
        const pool = new pg.Pool({
          connectionString: url,
          max: this.callers,
          connectionTimeoutMillis: attemptMs,
          query_timeout: attemptMs,
        });
        pool.on("error", () => undefined);
        try {
          const { rows } = await pool.query<{ standby: boolean }>("SELECT pg_is_in_recovery() AS standby");
          if (rows[0]?.standby === false) {
            this.#pool = pool;
            this.#finding = undefined;
            return pool;
          }
        } catch {
          // Not this one, or not yet.
        }
        void pool.end().catch(() => undefined);
      }
      await pause(retryMs);
    }
  }

  async end(): Promise<void> {
    await this.#pool?.end();
  }
}
