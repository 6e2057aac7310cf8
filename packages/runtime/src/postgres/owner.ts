/**
 * The schema's owner: a login apart from the one that serves, with one connection, that lives only as long as tables
 * are made or changed. What serves has no DDL, so no fault and no stolen password of it can change the schema.
 * Where no owner is named, the one login does both (docs/decisions/0008-containers.md).
 */
import type { FailoverPool } from "@understudy/failover-pool";
import type { Identity } from "../identity.ts";
import type { Log } from "../log.ts";
import { addressFor } from "./database-address.ts";
import { createPool, type DatabaseSettings, type PoolOptions } from "./database.ts";

/** The same database as its owner reaches it. */
export function ownerSettings({ owner, ...settings }: DatabaseSettings): DatabaseSettings {
  if (owner === undefined) return settings;
  return { ...settings, url: addressFor(settings.url, owner.user), password: owner.password };
}

/** Runs `work` with a pool of the owner's and ends that pool, whatever comes of it. */
export async function withOwner<Value>(
  settings: DatabaseSettings,
  identity: Identity,
  options: PoolOptions,
  log: Log,
  work: (pool: FailoverPool) => Promise<Value>,
): Promise<Value> {
  const pool = createPool({ ...ownerSettings(settings), connections: 1 }, identity, options, log);
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}
