/** Queues: defined once, kept in the database; how full they are. */
import { InvalidOptionError, UnknownQueueError } from "../queue-errors.ts";
import { rowsOf, type QueuePool } from "./queue-pool.ts";

export interface QueueSettings {
  readonly name: string;
  /** services: endless jobs. jobs. */
  readonly kind?: "jobs" | "services";
  /** 65,536. */
  readonly maxPayloadBytes?: number;
  /** A job that was lost with its worker more often than this is failed: it may be what kills them. 20. */
  readonly maxLosses?: number;
  /** How long failed, aborted and cancelled jobs are kept. 30 days. */
  readonly keepEndedSeconds?: number;
}

export interface QueueFigures {
  readonly name: string;
  readonly kind: "jobs" | "services";
  readonly isPaused: boolean;
  readonly pausedReason?: string;
  /** May start now. */
  readonly ready: number;
  /** Later, by `delayMs`, `runAt` or the wait before a retry. */
  readonly delayed: number;
  /** Behind another one of their ordering key. */
  readonly waiting: number;
  readonly running: number;
  readonly parked: number;
  readonly failed: number;
  readonly aborted: number;
  readonly cancelled: number;
  /** How long the oldest ready one has waited; 0 without any. */
  readonly oldestReadyMs: number;
}

interface Limits {
  readonly maxPayloadBytes: number;
  readonly readAtMs: number;
}

const staleAfterMs = 10_000;
const most = 64 * 1024 * 1024;

export class QueueRegistry {
  readonly #limits = new Map<string, Limits>();

  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
    private readonly publish: (message: string) => void,
  ) {}

  /** Makes the queue, or changes its settings. */
  async define(settings: QueueSettings): Promise<void> {
    const { name, kind = "jobs", maxPayloadBytes = 65_536, maxLosses = 20, keepEndedSeconds = 30 * 86_400 } = settings;
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) throw new InvalidOptionError(`"${name}" is no name for a queue`);
    if (!(maxPayloadBytes > 0 && maxPayloadBytes <= most))
      throw new InvalidOptionError(`maxPayloadBytes must be from 1 to ${most}`);
    await this.pool.query(
      `INSERT INTO ${this.schema}.queue AS q (name, kind, max_payload_bytes, max_losses, keep_ended)
       VALUES ($1, $2, $3, $4, $5 * interval '1 s')
       ON CONFLICT (name) DO UPDATE SET kind = $2, max_payload_bytes = $3, max_losses = $4, keep_ended = $5 * interval '1 s'
        WHERE (q.kind, q.max_payload_bytes, q.max_losses, q.keep_ended) IS DISTINCT FROM ($2, $3, $4, $5 * interval '1 s')`,
      [name, kind, maxPayloadBytes, maxLosses, keepEndedSeconds],
    );
    this.#limits.delete(name);
  }

  /** Nothing of it is started from now on; what runs goes on. */
  async pause(name: string, reason?: string): Promise<void> {
    await this.#setPaused(name, true, reason ?? null);
  }

  async resume(name: string): Promise<void> {
    await this.#setPaused(name, false, null);
    this.publish(`q ${name}`);
    this.publish("s");
  }

  async figures(): Promise<QueueFigures[]> {
    const s = this.schema;
    const answer = await this.pool.query(`
      SELECT q.name, q.kind, q.paused, q.paused_reason, c.*,
             coalesce(extract(epoch FROM now() - (
               SELECT greatest(j.enqueued_at, j.run_at) FROM ${s}.job j
                WHERE j.queue = q.id AND j.state = 'queued' ORDER BY j.priority DESC, j.seq LIMIT 1)), 0) * 1000 AS oldest
        FROM ${s}.queue q
        LEFT JOIN LATERAL (
          SELECT (SELECT count(*) FROM ${s}.job j WHERE j.queue = q.id AND j.state = 'queued') AS ready,
                 count(*) FILTER (WHERE j.state = 'delayed') AS delayed,
                 count(*) FILTER (WHERE j.state = 'waiting') AS waiting,
                 count(*) FILTER (WHERE j.state = 'running') AS running,
                 count(*) FILTER (WHERE j.state = 'parked') AS parked,
                 count(*) FILTER (WHERE j.state = 'failed') AS failed,
                 count(*) FILTER (WHERE j.state = 'aborted') AS aborted,
                 count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled
            FROM ${s}.job j WHERE j.queue = q.id AND j.state <> 'queued') c ON true
       ORDER BY q.name`);
    return rowsOf<Record<string, unknown>>(answer).map(figuresOf);
  }

  /** Synchronous while it is known and fresh. @throws UnknownQueueError */
  maxPayloadBytes(name: string): number | Promise<number> {
    const known = this.#limits.get(name);
    if (known !== undefined && performance.now() - known.readAtMs < staleAfterMs) return known.maxPayloadBytes;
    return this.#readLimits(name);
  }

  async #readLimits(name: string): Promise<number> {
    const answer = await this.pool.query(
      `SELECT q.max_payload_bytes AS most FROM ${this.schema}.queue q WHERE q.name = $1`,
      [name],
    );
    const [row] = rowsOf<{ most: number }>(answer);
    if (row === undefined) throw new UnknownQueueError(`There is no queue "${name}".`);
    this.#limits.set(name, { maxPayloadBytes: row.most, readAtMs: performance.now() });
    return row.most;
  }

  async #setPaused(name: string, isPaused: boolean, reason: string | null): Promise<void> {
    const answer = await this.pool.query(
      `UPDATE ${this.schema}.queue SET paused = $2, paused_reason = $3 WHERE name = $1 RETURNING name`,
      [name, isPaused, reason],
    );
    if (rowsOf(answer).length === 0) throw new UnknownQueueError(`There is no queue "${name}".`);
  }
}

function figuresOf(row: Readonly<Record<string, unknown>>): QueueFigures {
  const reason = row["paused_reason"];
  return {
    name: String(row["name"]),
    kind: row["kind"] as QueueFigures["kind"],
    isPaused: row["paused"] === true,
    ...(typeof reason === "string" && { pausedReason: reason }),
    ready: Number(row["ready"]),
    delayed: Number(row["delayed"]),
    waiting: Number(row["waiting"]),
    running: Number(row["running"]),
    parked: Number(row["parked"]),
    failed: Number(row["failed"]),
    aborted: Number(row["aborted"]),
    cancelled: Number(row["cancelled"]),
    oldestReadyMs: Math.max(0, Math.round(Number(row["oldest"]))),
  };
}
