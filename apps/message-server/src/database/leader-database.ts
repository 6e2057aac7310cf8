/**
 * PostgreSQL as the message server uses it: the platform's tables, the term, and writes fenced by it.
 *
 * Leadership on NATS does not wait for PostgreSQL; effects in PostgreSQL wait for the term to stand there (L2).
 */
import type { InstanceRef, LeaderTerm } from "@understudy/contracts";
import { messageServerRole } from "@understudy/contracts";
import { commitTerm, fencedWrite, highestTerm, leadershipSchema, StaleTermError } from "@understudy/leadership";
import {
  Backoff,
  installCommitMarkers,
  installWorkQueue,
  OperationalError,
  pause,
  sessionName,
  standingSchema,
  type FailoverPool,
  type Log,
} from "@understudy/runtime";

const schemaLock = 7_205_759_403_792_793;

export class LeaderDatabase {
  #termFloor = 0;
  #committed: number | undefined;
  #hasSchema = false;

  constructor(
    readonly pool: FailoverPool,
    /** Runs what changes the schema with a pool of the schema's owner. */
    private readonly asOwner: (install: (owner: FailoverPool) => Promise<void>) => Promise<void>,
    private readonly log: Log,
  ) {}

  /** Highest term seen in PostgreSQL; a new leader's term must be higher. */
  get termFloor(): number {
    return this.#termFloor;
  }

  isCommitted(leader: LeaderTerm): boolean {
    return this.#committed === leader.term;
  }

  /** Keeps `termFloor` fresh, so that an election needs no round trip to PostgreSQL. Ends when `signal` aborts. */
  async followTerm(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(500, 5_000);
    while (!signal.aborted) {
      try {
        await this.#ensureSchema();
        this.#termFloor = Math.max(this.#termFloor, await highestTerm(this.pool, messageServerRole));
        backoff.reset();
        await pause(5_000, signal);
      } catch (error) {
        this.log.debug({ reason: (error as Error).message }, "the database does not answer");
        await pause(backoff.nextMs(), signal);
      }
    }
  }

  /**
   * Commits the term, trying until it stands or `signal` aborts.
   * @returns false when a newer term stands there: this leader is none.
   */
  async commit(leader: LeaderTerm, signal: AbortSignal): Promise<boolean> {
    const backoff = new Backoff(50, 1_000);
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#ensureSchema();
        await commitTerm(this.pool, messageServerRole, leader);
        this.#committed = leader.term;
        this.#termFloor = Math.max(this.#termFloor, leader.term);
        return true;
      } catch (error) {
        if (error instanceof StaleTermError) {
          const highest = await highestTerm(this.pool, messageServerRole).catch(() => leader.term);
          this.#termFloor = Math.max(this.#termFloor, leader.term, highest);
          return false;
        }
        if (attempt === 3) this.log.warn({ reason: (error as Error).message }, "the term waits for the database");
        await pause(backoff.nextMs(), signal);
      }
    }
    return false;
  }

  /** Marks an incarnation accepted. @throws OperationalError `database-unavailable`, StaleTermError. */
  async accept(leader: LeaderTerm, instance: InstanceRef & { machine: string }): Promise<"accepted" | "lost"> {
    const rows = await this.#write<{ standing: "accepted" | "lost" | "left" }>(
      leader,
      `INSERT INTO understudy.instance_standing AS s (incarnation, id, machine, standing, term)
       SELECT $4::uuid, $5, $6, 'accepted', $2 WHERE EXISTS (SELECT 1 FROM term_holds)
       ON CONFLICT (incarnation) DO UPDATE SET term = excluded.term,
         standing = CASE s.standing WHEN 'lost' THEN 'lost' ELSE 'accepted' END
       RETURNING standing`,
      [instance.incarnation, instance.id, instance.machine],
    );
    return rows[0]?.standing === "accepted" ? "accepted" : "lost";
  }

  /** A server that ended by itself. */
  async leave(leader: LeaderTerm, instance: InstanceRef): Promise<void> {
    await this.#write(
      leader,
      `UPDATE understudy.instance_standing SET standing = 'left', term = $2, changed_at = now()
       WHERE incarnation = $4::uuid AND standing = 'accepted' AND EXISTS (SELECT 1 FROM term_holds) RETURNING id`,
      [instance.incarnation],
    );
  }

  /**
   * The verdict (DESIGN 4): first the mark, then the end of the incarnation's database sessions. A session that
   * passed its check before the mark is already visible by name, so ending by name finds it.
   * @returns how many sessions were ended.
   */
  async declareLost(leader: LeaderTerm, instance: InstanceRef & { machine: string }, reason: string): Promise<number> {
    await this.#write(
      leader,
      `INSERT INTO understudy.instance_standing AS s (incarnation, id, machine, standing, term, reason)
       SELECT $4::uuid, $5, $6, 'lost', $2, $7 WHERE EXISTS (SELECT 1 FROM term_holds)
       ON CONFLICT (incarnation) DO UPDATE SET standing = 'lost', term = excluded.term, reason = excluded.reason, changed_at = now()
       RETURNING id`,
      [instance.incarnation, instance.id, instance.machine, reason],
    );
    const { rows } = await this.pool.query<{ ended: number }>(
      `SELECT understudy.end_preparations($1) + (SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))::integer
         FROM pg_stat_activity WHERE application_name = $1 AND usename = current_user) AS ended`,
      [sessionName(instance)],
    );
    return rows[0]?.ended ?? 0;
  }

  async #write<Row extends object>(leader: LeaderTerm, statement: string, values: readonly unknown[]): Promise<Row[]> {
    if (!this.isCommitted(leader)) {
      throw new OperationalError("database-unavailable", `Term ${leader.term} does not stand in the database yet.`);
    }
    try {
      return await fencedWrite<Row>(this.pool, messageServerRole, leader, statement, values);
    } catch (error) {
      if (error instanceof StaleTermError) throw error;
      throw new OperationalError(
        "database-unavailable",
        `The database did not take the write: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  async #ensureSchema(): Promise<void> {
    if (this.#hasSchema) return;
    await this.asOwner(async (owner) => {
      await this.#install(owner);
      await installCommitMarkers(owner);
      // Verdicts take jobs away, so it is there before the first app server is accepted.
      await installWorkQueue(owner);
    });
    this.#hasSchema = true;
  }

  async #install(owner: FailoverPool): Promise<void> {
    const client = await owner.connect();
    try {
      await client.query("BEGIN");
      await client.query("SELECT pg_advisory_xact_lock($1)", [schemaLock]);
      await client.query(`${leadershipSchema}${standingSchema}`);
      await client.query("COMMIT");
      client.release();
    } catch (error) {
      client.release(error as Error);
      throw error;
    }
  }
}
