/**
 * Fires schedules. Every worker may do it: `next_due` moves by compare-and-swap and a firing is unique, so any number
 * of them fires each due time once. The database's clock says what is due; timers here only decide when to look.
 */
import { uuidV7 } from "../job/uuid-v7.ts";
import { rowsOf, type QueuePool } from "../queue/queue-pool.ts";
import { planDue, type Missed } from "./due-times.ts";

interface DueRow {
  readonly name: string;
  readonly cron: string;
  readonly time_zone: string;
  readonly missed: Missed;
  readonly next_due: number;
  readonly now: number;
}

const longestWaitMs = 10_000;
const afterErrorMs = 1_000;

export class ScheduleRunner {
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #lookAgain = false;
  #isStopped = false;

  constructor(
    private readonly pool: QueuePool,
    private readonly schema: string,
    private readonly afterFiring: () => void,
    private readonly databaseFailed: (error: unknown) => void,
  ) {}

  wake(): void {
    if (this.#isStopped) return;
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    clearTimeout(this.#timer);
    void this.#lookWhileAsked();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #lookWhileAsked(): Promise<void> {
    let waitMs = longestWaitMs;
    while (this.#lookAgain && !this.#isStopped) {
      this.#lookAgain = false;
      try {
        waitMs = await this.#look();
      } catch (error) {
        this.databaseFailed(error);
        waitMs = afterErrorMs;
      }
    }
    this.#isLooking = false;
    if (!this.#isStopped) this.#timer = setTimeout(() => this.wake(), Math.min(waitMs, longestWaitMs));
  }

  /** Milliseconds until the next look. */
  async #look(): Promise<number> {
    const answer = await this.pool.query(
      `SELECT name, cron, time_zone, missed, next_due, now FROM ${this.schema}.due_schedules()`,
    );
    let waitMs = longestWaitMs;
    for (const row of rowsOf<DueRow>(answer)) {
      if (row.next_due > row.now) return Math.min(waitMs, row.next_due - row.now);
      // One that cannot be read must not hold up the others; it is told again at each look.
      const isComplete = await this.#fire(row).catch((error: unknown) => {
        this.databaseFailed(error);
        waitMs = afterErrorMs;
        return true;
      });
      if (!isComplete) waitMs = 0;
    }
    // All that were read were due: there may be more, and those that fired are due again.
    return rowsOf(answer).length > 0 ? Math.min(waitMs, 50) : waitMs;
  }

  /** Tells whether that was all of it. */
  async #fire({ name, cron, time_zone: timeZone, missed, next_due: nextDueMs, now: nowMs }: DueRow): Promise<boolean> {
    const { dues, nextMs, isComplete } = planDue({ cron, timeZone, missed, nextDueMs, nowMs });
    const answer = await this.pool.query(`SELECT ${this.schema}.fire_schedule($1, $2, $3, $4, $5, $6) AS fired`, [
      name,
      nextDueMs,
      cron,
      [...dues],
      dues.map(() => uuidV7()),
      nextMs ?? null,
    ]);
    if (Number(rowsOf<{ fired: number }>(answer)[0]?.fired) > 0) this.afterFiring();
    return isComplete;
  }
}
