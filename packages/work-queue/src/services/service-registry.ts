/** Services as people and message servers see them: what exists, where it runs, where it is to run. */
import { InvalidOptionError } from "../queue-errors.ts";
import { rowsOf, type QueuePool } from "../queue/queue-pool.ts";

export interface ServiceSettings {
  readonly name: string;
  /** Of kind `services`, by convention SERVICES. */
  readonly queue: string;
  /** Which handler runs it. Its name. */
  readonly type?: string;
  readonly payload?: unknown;
}

export interface ServiceRecord {
  readonly name: string;
  readonly queue: string;
  readonly type: string;
  readonly isPaused: boolean;
  /** Id of the holder that it is meant for; without: any. */
  readonly placedOn?: string;
  readonly appServer?: string;
  readonly incarnation?: string;
  /** Takes over when it is ready. */
  readonly successor?: string;
  readonly term: number;
  /** Of the last change of hands. */
  readonly since?: Date;
  /** Why it has no holder, or lost the last one. */
  readonly reason?: string;
}

export interface Placement {
  /** Id of a holder, such as app-server-b; null: any. */
  readonly placedOn: string | null;
  /**
   * The incarnation that takes over from a living one, without a gap: it prepares, then holder and term change in one
   * statement, then the old one ends.
   */
  readonly successor?: string;
  /** Of the message server: a lower one than was seen does nothing. */
  readonly term?: number | bigint;
}

export class ServiceRegistry {
  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
    private readonly publish: (message: string) => void,
  ) {}

  /** Makes the service, or changes what it runs. It is started by a free worker, or by the one it is placed on. */
  async define({ name, queue, type = name, payload = null }: ServiceSettings): Promise<void> {
    if (name === "" || name.length > 200) throw new InvalidOptionError(`"${name}" is no name for a service`);
    await this.pool.query(
      `INSERT INTO ${this.schema}.service AS s (name, queue, type, payload)
       VALUES ($1, ${this.schema}.queue_id($2), $3, $4)
       ON CONFLICT (name) DO UPDATE SET queue = EXCLUDED.queue, type = EXCLUDED.type, payload = EXCLUDED.payload
        WHERE (s.queue, s.type, s.payload::text) IS DISTINCT FROM (EXCLUDED.queue, EXCLUDED.type, EXCLUDED.payload::text)`,
      [name, queue, type, JSON.stringify(payload)],
    );
    this.publish("s");
  }

  /** Its instance ends; its record goes. */
  async remove(name: string): Promise<void> {
    await this.pool.query(`DELETE FROM ${this.schema}.service WHERE name = $1`, [name]);
    this.publish("s");
  }

  /** Its instance has no effect any more, and ends. */
  async pause(name: string): Promise<void> {
    await this.#setPaused(name, true);
  }

  async resume(name: string): Promise<void> {
    await this.#setPaused(name, false);
  }

  /** Tells whether it was accepted: not when a higher term was seen. */
  async place(name: string, { placedOn, successor, term }: Placement): Promise<boolean> {
    const answer = await this.pool.query(`SELECT ${this.schema}.place_service($1, $2, $3, $4) AS accepted`, [
      name,
      placedOn,
      successor ?? null,
      term === undefined ? null : String(term),
    ]);
    this.publish("s");
    return rowsOf<{ accepted: boolean }>(answer)[0]?.accepted === true;
  }

  async list(): Promise<ServiceRecord[]> {
    const answer = await this.pool.query(
      `SELECT s.name, k.name AS queue, s.type, s.paused AS "isPaused", s.placed_on AS "placedOn", h.id AS "appServer",
              s.holder AS incarnation, s.successor, s.term::double precision AS term, s.since, s.reason
         FROM ${this.schema}.service s JOIN ${this.schema}.queue k ON k.id = s.queue
         LEFT JOIN ${this.schema}.holder h ON h.incarnation = s.holder ORDER BY s.name`,
    );
    return rowsOf<Record<string, unknown>>(answer).map(
      (row) =>
        Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as ServiceRecord,
    );
  }

  async #setPaused(name: string, isPaused: boolean): Promise<void> {
    await this.pool.query(`UPDATE ${this.schema}.service SET paused = $2 WHERE name = $1`, [name, isPaused]);
    this.publish("s");
  }
}
