/** When a schedule is due. Pure: from the due time before, not from anybody's clock. */
import { Cron } from "croner";
import { InvalidOptionError } from "../queue-errors.ts";

export type Missed = "skip" | "once" | "all";

/** @throws InvalidOptionError for patterns and zones that croner does not know */
export function nextDue(cron: string, timeZone: string, afterMs: number): number | undefined {
  try {
    return new Cron(cron, { timezone: timeZone, paused: true }).nextRun(new Date(afterMs))?.getTime();
  } catch (error) {
    throw new InvalidOptionError(
      `"${cron}" in ${timeZone} is no schedule: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

export interface DuePlan {
  /** To be fired now, oldest first. */
  readonly dues: readonly number[];
  /** Undefined: never again. */
  readonly nextMs: number | undefined;
  /** False: more was missed than is caught up with in one go. */
  readonly isComplete: boolean;
}

export interface DueFacts {
  readonly cron: string;
  readonly timeZone: string;
  readonly missed: Missed;
  /** The first due time that was not yet dealt with. */
  readonly nextDueMs: number;
  /** By the database's clock. */
  readonly nowMs: number;
}

/** A due time counts as missed when it is this long past: until then somebody was merely slow. */
export const missedAfterMs = 60_000;
const mostAtOnce = 1_000;

/** Which due times are fired, by the schedule's rule for missed ones, and when the next one is. */
export function planDue({ cron, timeZone, missed, nextDueMs, nowMs }: DueFacts): DuePlan {
  const passed: number[] = [];
  let next: number | undefined = nextDueMs;
  while (next !== undefined && next <= nowMs && passed.length < mostAtOnce) {
    passed.push(next);
    next = nextDue(cron, timeZone, next);
  }
  const isComplete = next === undefined || next > nowMs;
  if (missed === "all") return { dues: passed, nextMs: next, isComplete };
  const inTime = passed.filter((due) => due > nowMs - missedAfterMs);
  if (missed === "skip") return { dues: inTime, nextMs: next, isComplete };
  // Once: the newest of the missed ones stands for all, unless one in time follows at once.
  const newest = passed.at(-1);
  const dues = inTime.length > 0 ? inTime : isComplete && newest !== undefined ? [newest] : [];
  return { dues, nextMs: next, isComplete };
}
