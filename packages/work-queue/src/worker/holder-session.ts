/**
 * A worker's own session in PostgreSQL: it hears notifications, holds the lock by which others see that this process
 * lives (the server notices a killed process's closed socket at once), and carries its signs of life.
 *
 * States: closed | opening | open. A session that breaks is opened anew under the next number, with short waits; the
 * lock of the old number stays free, and others know the newest number only.
 */
import { setTimeout as wait } from "node:timers/promises";
import { retryWaitMs } from "../job/retry-wait.ts";
import { rowsOf, type QueueClient, type QueuePool } from "../queue/queue-pool.ts";

export interface SessionReport {
  heard(message: string): void;
  /** From now on notifications are heard; what was said before may be missed. */
  opened(): void;
  beaten(beat: { readonly standing: string | null; readonly cancelling: readonly string[] }): void;
  databaseFailed(error: unknown): void;
}

export interface SessionSettings {
  readonly schema: string;
  readonly incarnation: string;
  readonly isGuarded: boolean;
  readonly beatMs: number;
}

const waits = { firstMs: 10, factor: 2, maxMs: 1_000, jitter: 0.5 };

export class HolderSession {
  #client: QueueClient | undefined;
  #number = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isOpening = false;

  constructor(
    private readonly pool: QueuePool,
    private readonly settings: SessionSettings,
    private readonly report: SessionReport,
  ) {}

  /** Resolves when the first session is open. @throws when it cannot be opened */
  async start(): Promise<void> {
    await this.#open();
    this.#scheduleBeat();
  }

  stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  #drop(error: Error | true = true): void {
    const client = this.#client;
    this.#client = undefined;
    // Not to be used again: it listens, and it holds the lock.
    client?.release(error);
  }

  async #open(): Promise<void> {
    const { schema, incarnation, isGuarded } = this.settings;
    const client = await this.pool.connect();
    const number = ++this.#number;
    const broken = (): void => this.#broken(client);
    client.on("error", broken);
    client.on("end", broken);
    client.on("notification", ({ channel, payload }) => {
      if (channel === schema && payload !== undefined) this.report.heard(payload);
    });
    try {
      if (isGuarded)
        await client.query(`SELECT pg_advisory_lock(${schema}.session_key($1, $2))`, [incarnation, number]);
      await client.query(`LISTEN ${schema}`);
      await this.#beatOn(client, number);
    } catch (error) {
      client.release(true);
      throw error;
    }
    if (this.#isClosed) return client.release(true);
    this.#client = client;
    this.report.opened();
  }

  #broken(client: QueueClient): void {
    if (client !== this.#client) return;
    this.#drop();
    void this.#reopen();
  }

  async #reopen(): Promise<void> {
    if (this.#isOpening) return;
    this.#isOpening = true;
    for (let tries = 1; !this.#isClosed && this.#client === undefined; tries++) {
      try {
        await this.#open();
      } catch (error) {
        this.report.databaseFailed(error);
        await wait(retryWaitMs(waits, tries));
      }
    }
    this.#isOpening = false;
  }

  #scheduleBeat(): void {
    this.#timer = setTimeout(
      () => void this.#beat().finally(() => this.#isClosed || this.#scheduleBeat()),
      this.settings.beatMs,
    );
  }

  async #beat(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    try {
      await this.#beatOn(client, this.#number);
    } catch (error) {
      this.report.databaseFailed(error);
      this.#broken(client);
    }
  }

  async #beatOn(client: QueueClient, number: number): Promise<void> {
    const answer = await client.query(`SELECT standing, cancelling FROM ${this.settings.schema}.beat($1, $2)`, [
      this.settings.incarnation,
      number,
    ]);
    const [row] = rowsOf<{ standing: string | null; cancelling: string[] | null }>(answer);
    if (!this.#isClosed) this.report.beaten({ standing: row?.standing ?? null, cancelling: row?.cancelling ?? [] });
  }
}
