/**
 * Asks one PostgreSQL instance what it is, several times a second and at once when somebody has a hint.
 *
 * One connection of its own, never a pool's: a pool would go to the primary. An answer that does not come within
 * `answerMs` (frozen, cut off) counts as none, and its connection is destroyed: it would answer with what was true then.
 *
 * - W1. `facts` holds an answer only until the next question stayed unanswered.
 */
import { sessionName, type Identity, type Log } from "@understudy/runtime";
import pg from "pg";
import type { InstanceFacts, Sight } from "../topology/topology-facts.ts";

export interface WatchedInstance {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly authority: string | undefined;
  readonly database: string;
}

const lookEveryMs = 250;
const answerMs = 1_000;

// pg_walfile_name() knows the timeline that a primary writes, but fails in recovery: hence the CASE.
const question = `
  SELECT pg_is_in_recovery() AS "inRecovery",
    (SELECT system_identifier::text FROM pg_control_system()) AS "systemIdentifier",
    CASE WHEN pg_is_in_recovery()
      THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
      ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
    END AS timeline,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END::text AS position,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END::text AS replayed,
    EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming') AS streams`;

interface Answer {
  readonly inRecovery: boolean;
  readonly systemIdentifier: string;
  readonly timeline: number | null;
  readonly position: string | null;
  readonly replayed: string | null;
  readonly streams: boolean;
}

const sightOf = ({ timeline, position, replayed, ...rest }: Answer): Sight => ({
  ...rest,
  timeline: timeline ?? undefined,
  position: position ?? undefined,
  replayed: replayed ?? undefined,
});

export class InstanceWatch {
  #facts: InstanceFacts;
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isHinted = false;
  #isStopped = true;

  constructor(
    readonly instance: WatchedInstance,
    private readonly identity: Identity,
    private readonly onLook: () => void,
    private readonly log: Log,
  ) {
    this.#facts = { id: instance.id, sight: undefined, reason: "not asked yet" };
  }

  get facts(): InstanceFacts {
    return this.#facts;
  }

  start(): void {
    this.#isStopped = false;
    void this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** A hint: looks now; when a look is under way once more after it. */
  hint(): void {
    if (this.#isLooking) this.#isHinted = true;
    else void this.#look();
  }

  async #look(): Promise<void> {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#isLooking = true;
    this.#isHinted = false;
    const before = this.#facts;
    try {
      const client = await this.#connected();
      const { rows } = await client.query<Answer>(question);
      const [answer] = rows;
      if (answer === undefined) throw new Error("it answered nothing");
      this.#facts = { id: this.instance.id, sight: sightOf(answer), reason: undefined };
    } catch (error) {
      this.#drop();
      this.#facts = { id: this.instance.id, sight: undefined, reason: (error as Error).message };
    }
    this.#isLooking = false;
    if (this.#isStopped) return;
    this.#tell(before);
    this.onLook();
    if (this.#isHinted) void this.#look();
    else this.#timer = setTimeout(() => void this.#look(), lookEveryMs);
  }

  #tell(before: InstanceFacts): void {
    const { sight, reason } = this.#facts;
    if (before.sight?.inRecovery === sight?.inRecovery && before.reason === reason) return;
    const role = sight && (sight.inRecovery ? "standby" : "primary");
    this.log.info({ instance: this.instance.id, role, timeline: sight?.timeline, reason }, "a PostgreSQL instance");
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    const { host, port, user, password, database, authority } = this.instance;
    const client = new pg.Client({
      host,
      port,
      user,
      ...(password !== undefined && { password }),
      ...(authority !== undefined && { ssl: { ca: authority } }),
      database,
      application_name: sessionName(this.identity.ref),
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
      options: "-c default_transaction_read_only=on",
    });
    // Breaks between two looks are seen by the next one.
    client.on("error", () => undefined);
    this.#client = client;
    await client.connect();
    return client;
  }

  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    // A silent peer never answers a farewell.
    (client as { connection?: { stream?: { destroy(): void } } } | undefined)?.connection?.stream?.destroy();
  }
}
