import { InvalidOptionError } from "../queue-errors.ts";
import type { Transaction } from "./queue-pool.ts";

export type IfExists = "skip" | "replace" | "reject";

export interface EnqueueOptions {
  /** The caller's transaction (a `pg` client, TypeORM's EntityManager): the job exists when it commits. */
  readonly in?: Transaction;
  /** A UUID of the caller's: the same one is enqueued once, however often this is repeated. */
  readonly id?: string;
  /** Not before that many milliseconds, by the database's clock. */
  readonly delayMs?: number;
  readonly runAt?: Date;
  /** Higher is sooner. The definition's. */
  readonly priority?: number;
  /** One job at a time with this key is queued or running in its queue. */
  readonly uniqueKey?: string;
  /** What to do when there is one. `replace` gives a waiting one this payload, and runs after a running one. skip. */
  readonly ifExists?: IfExists;
  /** Jobs of one key run one at a time, in the order in which they were enqueued. */
  readonly orderingKey?: string;
}

/** Options of one of many, without what concerns all. */
export type EachOptions = Pick<EnqueueOptions, "delayMs" | "runAt" | "priority" | "orderingKey">;

export interface Enqueued {
  readonly id: string;
  /** known: that id was enqueued before. skipped: `id` is the one that existed. replaced: it has the new payload now. */
  readonly outcome: "enqueued" | "known" | "skipped" | "replaced";
}

const longestKey = 500;

function checkKey(what: string, key: string | undefined): void {
  if (key === undefined) return;
  if (key === "" || key.length > longestKey || key.includes("\0"))
    throw new InvalidOptionError(`${what} must have 1 to ${longestKey} characters, none of them NUL`);
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isUuid = (text: string): boolean => uuid.test(text);

/** @throws InvalidOptionError */
export function checkOptions(options: EnqueueOptions): void {
  const { id, delayMs, runAt, priority, uniqueKey, orderingKey, ifExists } = options;
  if (id !== undefined && !isUuid(id)) throw new InvalidOptionError(`"${id}" is no UUID`);
  if (delayMs !== undefined && runAt !== undefined)
    throw new InvalidOptionError("delayMs and runAt exclude each other");
  if (delayMs !== undefined && (!Number.isFinite(delayMs) || delayMs < 0 || delayMs > 3.2e12))
    throw new InvalidOptionError(`delayMs must be a number from 0 to 100 years, not ${delayMs}`);
  if (runAt !== undefined && Number.isNaN(runAt.getTime())) throw new InvalidOptionError("runAt is no valid date");
  if (priority !== undefined && (!Number.isInteger(priority) || Math.abs(priority) > 32_767))
    throw new InvalidOptionError(`priority must be a whole number from -32767 to 32767, not ${priority}`);
  if (ifExists !== undefined && !["skip", "replace", "reject"].includes(ifExists))
    throw new InvalidOptionError(`ifExists must be skip, replace or reject, not ${ifExists as string}`);
  checkKey("uniqueKey", uniqueKey);
  checkKey("orderingKey", orderingKey);
}
