/**
 * The process's pool of connections to the cluster's database.
 *
 * A connection of an app server first sets its `application_name` to `understudy:<id>:<incarnation>` and then asserts,
 * under lock, that this incarnation has not been declared lost. The order matters: whoever passes the check is
 * already visible by name, so the verdict, which marks first and ends sessions by name afterwards, finds it.
 */
import pg from "pg";
import type { InstanceRef } from "@understudy/contracts";
import type { Identity } from "../identity.ts";
import type { Log } from "../log.ts";
import { CallerError } from "../errors.ts";
import { assertStanding } from "./standing.ts";

export interface DatabaseSettings {
  readonly url: string;
  readonly password?: string | undefined;
  readonly connections: number;
}

/** The incarnation was declared lost: refused means stop, not try again (DESIGN 4). */
export class StandingRefusedError extends CallerError {
  constructor(instance: InstanceRef) {
    super(
      "refused",
      `Incarnation ${instance.incarnation} of ${instance.id} was declared lost and may not use the database.`,
    );
  }
}

export const sessionName = (instance: InstanceRef): string => `understudy:${instance.id}:${instance.incarnation}`;

export interface PoolOptions {
  /** Assert the incarnation's standing on each new connection (app servers). */
  readonly assertsStanding: boolean;
}

/** Options for `pg.Pool`, also as TypeORM's `extra`. */
export function poolOptions(settings: DatabaseSettings, identity: Identity, options: PoolOptions): pg.PoolConfig {
  const url = new URL(settings.url);
  return {
    host: url.hostname,
    port: Number(url.port || 5432),
    database: decodeURIComponent(url.pathname.slice(1)),
    user: decodeURIComponent(url.username),
    ...(settings.password !== undefined && { password: settings.password }),
    max: settings.connections,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    // D5: a machine that falls silent must not hold locks for hours.
    options:
      "-c tcp_user_timeout=10000 -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c transaction_timeout=60000",
    verify: (client: pg.PoolClient, done: (error?: Error) => void) => {
      // The pool listens to a client only before and after this; an error nobody listens to would end the process.
      client.on("error", ignoreError);
      introduce(client, identity, options)
        .finally(() => client.off("error", ignoreError))
        .then(() => done(), done);
    },
  };
}

const ignoreError = (): void => undefined;

async function introduce(client: pg.PoolClient, identity: Identity, options: PoolOptions): Promise<void> {
  const instance = identity.ref;
  await client.query("SELECT set_config('application_name', $1, false)", [sessionName(instance)]);
  if (!options.assertsStanding || (await assertStanding(client, instance))) return;
  identity.standingRefused();
  throw new StandingRefusedError(instance);
}

export function createPool(settings: DatabaseSettings, identity: Identity, options: PoolOptions, log: Log): pg.Pool {
  const pool = new pg.Pool(poolOptions(settings, identity, options));
  pool.on("error", (error) => log.warn({ reason: error.message }, "an idle database connection was lost"));
  return pool;
}
