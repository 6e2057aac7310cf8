/**
 * `pg` as TypeORM's `driver` option takes it, with the pool that survives its database:
 *
 *     new DataSource({ type: "postgres", driver: failoverPg, url, extra: { holdMaxMs: 30_000 } })
 *
 * TypeORM passes `extra` to the pool, and takes `defaults` and the rest from `pg`.
 */
import pg from "pg";
import { FailoverPool } from "./pool/failover-pool.ts";

/** `native` is left out: with pg-native installed TypeORM would take its pool instead of ours. */
const { native: _native, ...rest } = Object.getOwnPropertyDescriptors(pg);

export const failoverPg = Object.defineProperties(
  {},
  { ...rest, Pool: { value: FailoverPool, enumerable: true, writable: true, configurable: true } },
) as Omit<typeof pg, "Pool" | "native"> & { readonly Pool: typeof FailoverPool };

export default failoverPg;
