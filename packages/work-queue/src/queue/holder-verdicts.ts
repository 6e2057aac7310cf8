/** Q1: verdicts over holders, by whoever may give them: the message server of a cluster, fellow workers without one. */
import { rowsOf, withoutNulls, type QueuePool } from "./queue-pool.ts";

export interface Verdict {
  /** Of the one who judges. A lower one than was ever seen does nothing. Without: fellow workers, who have none. */
  readonly term?: number | bigint | undefined;
  readonly reason: string;
}

export interface TakenAway {
  /** False: a higher term was seen, and nothing was done. */
  readonly isAccepted: boolean;
  readonly requeued: number;
  readonly aborted: number;
  readonly cancelled: number;
  /** Were lost too often. */
  readonly failed: number;
  readonly services: number;
  /**
   * Still locked by an open transaction of the lost one. They follow when that ends: repeat, or leave it to `sweep`,
   * which every worker does now and then.
   */
  readonly remaining: number;
}

export interface HolderRecord {
  readonly incarnation: string;
  readonly id: string;
  readonly standing: "live" | "left" | "lost";
  readonly reason?: string;
  readonly running: number;
}

export class HolderVerdicts {
  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
  ) {}

  /**
   * The incarnation is lost, for ever: from here on it can claim and complete nothing. In one statement its restartable
   * jobs go back to their queues and the others become `aborted` with the reason; its services are free. May be
   * repeated; an incarnation that was never seen here is refused when it comes.
   */
  async loseHolder(incarnation: string, { term, reason }: Verdict): Promise<TakenAway> {
    const answer = await this.pool.query(
      `SELECT accepted AS "isAccepted", coalesce(requeued, 0) AS requeued, coalesce(aborted, 0) AS aborted,
              coalesce(cancelled, 0) AS cancelled, coalesce(failed, 0) AS failed, coalesce(services, 0) AS services,
              coalesce(remaining, 0) AS remaining
         FROM ${this.schema}.lose_holder($1, $2, $3)`,
      [incarnation, term === undefined ? null : String(term), reason],
    );
    return rowsOf<TakenAway>(answer)[0] as TakenAway;
  }

  /** Takes what lost incarnations had locked when they were judged. Tells of how many. */
  async sweep(): Promise<number> {
    const answer = await this.pool.query(`SELECT ${this.schema}.sweep() AS swept`);
    return rowsOf<{ swept: number }>(answer)[0]?.swept ?? 0;
  }

  async list(): Promise<HolderRecord[]> {
    const answer = await this.pool.query(
      `SELECT h.incarnation, h.id, h.standing, h.reason,
              (SELECT count(*)::integer FROM ${this.schema}.job j
                WHERE j.holder = h.incarnation AND j.state = 'running') AS running
         FROM ${this.schema}.holder h ORDER BY h.registered_at DESC LIMIT 1000`,
    );
    return rowsOf<Record<string, unknown>>(answer).map(withoutNulls<HolderRecord>);
  }
}
