/** Schedules as people see them: cron with a time zone. */
import type { JobDefinition } from "../job/job-definition.ts";
import { checkedPayload, payloadDocument } from "../job/payload.ts";
import { InvalidOptionError } from "../queue-errors.ts";
import { rowsOf, type QueuePool } from "../queue/queue-pool.ts";
import { nextDue, type Missed } from "./due-times.ts";

export interface ScheduleSettings<Input> {
  readonly name: string;
  /** As croner reads it; with seconds where six fields stand. */
  readonly cron: string;
  /** Such as Europe/Berlin. UTC. */
  readonly timeZone?: string;
  /** What becomes of due times when nobody was there for more than a minute. once: the newest of them. skip. */
  readonly missed?: Missed;
  readonly payload: Input;
}

export interface ScheduleRecord {
  readonly name: string;
  readonly queue: string;
  readonly type: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly missed: Missed;
  readonly isPaused: boolean;
  readonly nextDue?: Date;
  readonly lastDue?: Date;
}

export class ScheduleRegistry {
  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
    private readonly publish: (message: string) => void,
  ) {}

  /** Makes the schedule, or changes it; with another pattern or zone it begins anew from now on. */
  async define<Input, Payload>(
    definition: JobDefinition<Input, Payload>,
    settings: ScheduleSettings<Input>,
  ): Promise<void> {
    const { name, cron, timeZone = "UTC", missed = "skip", payload } = settings;
    if (name === "" || name.length > 200) throw new InvalidOptionError(`"${name}" is no name for a schedule`);
    await checkedPayload(definition.type, definition.schema, payload);
    const first = nextDue(cron, timeZone, await this.#nowMs());
    await this.pool.query(
      `INSERT INTO ${this.schema}.schedule AS s
         (name, queue, type, payload, restartable, max_attempts, cron, time_zone, missed, next_due)
       VALUES ($1, ${this.schema}.queue_id($2), $3, $4, $5, $6, $7, $8, $9, to_timestamp($10::double precision / 1000))
       ON CONFLICT (name) DO UPDATE
         SET queue = EXCLUDED.queue, type = EXCLUDED.type, payload = EXCLUDED.payload, missed = EXCLUDED.missed,
             restartable = EXCLUDED.restartable, max_attempts = EXCLUDED.max_attempts,
             next_due = CASE WHEN s.cron = EXCLUDED.cron AND s.time_zone = EXCLUDED.time_zone
                             THEN s.next_due ELSE EXCLUDED.next_due END,
             cron = EXCLUDED.cron, time_zone = EXCLUDED.time_zone`,
      [
        name,
        definition.queue,
        definition.type,
        payloadDocument(definition.type, payload, 1024 * 1024),
        definition.restartable,
        definition.attempts,
        cron,
        timeZone,
        missed,
        first ?? null,
      ],
    );
    this.publish("t");
  }

  async remove(name: string): Promise<void> {
    await this.pool.query(`DELETE FROM ${this.schema}.schedule WHERE name = $1`, [name]);
  }

  async pause(name: string): Promise<void> {
    await this.pool.query(`UPDATE ${this.schema}.schedule SET paused = true WHERE name = $1`, [name]);
  }

  /** What was due while it was paused counts as missed. */
  async resume(name: string): Promise<void> {
    await this.pool.query(`UPDATE ${this.schema}.schedule SET paused = false WHERE name = $1`, [name]);
    this.publish("t");
  }

  async list(): Promise<ScheduleRecord[]> {
    const answer = await this.pool.query(
      `SELECT s.name, k.name AS queue, s.type, s.cron, s.time_zone AS "timeZone", s.missed, s.paused AS "isPaused",
              s.next_due AS "nextDue",
              (SELECT max(f.due) FROM ${this.schema}.schedule_firing f WHERE f.schedule = s.name) AS "lastDue"
         FROM ${this.schema}.schedule s JOIN ${this.schema}.queue k ON k.id = s.queue ORDER BY s.name`,
    );
    return rowsOf<Record<string, unknown>>(answer).map(
      (row) =>
        Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as unknown as ScheduleRecord,
    );
  }

  /** The database's clock is the one that counts. */
  async #nowMs(): Promise<number> {
    const answer = await this.pool.query("SELECT extract(epoch FROM now())::double precision * 1000 AS now");
    return Number(rowsOf<{ now: number }>(answer)[0]?.now);
  }
}
