/**
 * The process's failover-pool: connections to the primary of the cluster's database, whichever instance that is.
 *
 * A connection of an app server first sets its `application_name` to `understudy:<id>:<incarnation>` and then asserts,
 * under lock, that this incarnation has not been declared lost. The order matters: whoever passes the check is
 * already visible by name, so the verdict, which marks first and ends sessions by name afterwards, finds it. The pool
 * does this on each physical connection, the ones that replace a lost one too; a refusal is told, never tried again.
 */
import type { EventEmitter } from "node:events";
import { ownerRole, type InstanceRef } from "@understudy/contracts";
import { FailoverPool, type FailoverPoolOptions } from "@understudy/failover-pool";
import type { ClientBase, PoolClient } from "pg";
import type { Identity } from "../identity.ts";
import type { Log } from "../log.ts";
import type { DatabaseConfiguration } from "../configuration.ts";
import { CallerError } from "../errors.ts";
import { databaseAddress } from "./database-address.ts";
import type { PoolWire } from "./pool-wire.ts";
import { assertStanding } from "./standing.ts";

export interface DatabaseSettings {
  /** All instances, in libpq's form for several hosts. */
  readonly url: string;
  readonly password?: string | undefined;
  /** Who changes the schema, where that is another login than the one of `url`. */
  readonly owner?: { readonly user: string; readonly password?: string | undefined } | undefined;
  /** PEM of whom to believe that it is the database; with it nothing is said without TLS. */
  readonly authority?: string | undefined;
  readonly connections: number;
  /** News in, figures out; pools work without it. */
  readonly wire?: PoolWire | undefined;
}

/** As the variables say (`databaseVariables`). */
export function databaseSettings(configuration: DatabaseConfiguration): DatabaseSettings {
  const user = configuration.UNDERSTUDY_DATABASE_OWNER;
  const password = configuration.UNDERSTUDY_OWNER_PASSWORD_FILE;
  return {
    url: configuration.UNDERSTUDY_DATABASE_URL,
    password: configuration.UNDERSTUDY_DATABASE_PASSWORD_FILE,
    authority: configuration.UNDERSTUDY_DATABASE_CA_FILE,
    connections: configuration.UNDERSTUDY_DATABASE_CONNECTIONS,
    ...((user ?? password) !== undefined && { owner: { user: user ?? ownerRole, password } }),
  };
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
  /** How long a caller is held while there is no primary. 15 s: users wait behind it. */
  readonly holdMaxMs?: number;
}

const standardHoldMs = 15_000;

/** Options for a failover-pool, also as TypeORM's `extra`. */
export function poolOptions(settings: DatabaseSettings, identity: Identity, options: PoolOptions): FailoverPoolOptions {
  const { user, database, hosts } = databaseAddress(settings.url);
  return {
    hosts: hosts.map(({ instance, host, port }) => ({ id: instance, host, port })),
    database,
    user,
    ...(settings.password !== undefined && { password: settings.password }),
    ...(settings.authority !== undefined && { ssl: { ca: settings.authority } }),
    ...(settings.wire && { news: settings.wire.news }),
    holdMaxMs: options.holdMaxMs ?? standardHoldMs,
    max: settings.connections,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    // D5: a machine that falls silent must not hold locks for hours.
    options:
      "-c tcp_user_timeout=10000 -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c transaction_timeout=60000",
    verify: (client: PoolClient, done: (error?: Error) => void) => {
      // The pool listens to a client only before and after this; an error nobody listens to would end the process.
      client.on("error", ignoreError);
      introduce(client, identity, options)
        .finally(() => client.off("error", ignoreError))
        .then(() => done(), done);
    },
  };
}

const ignoreError = (): void => undefined;

async function introduce(client: ClientBase, identity: Identity, options: PoolOptions): Promise<void> {
  const instance = identity.ref;
  await client.query("SELECT set_config('application_name', $1, false)", [sessionName(instance)]);
  if (!options.assertsStanding || (await assertStanding(client, instance))) return;
  identity.standingRefused();
  throw new StandingRefusedError(instance);
}

export function createPool(
  settings: DatabaseSettings,
  identity: Identity,
  options: PoolOptions,
  log: Log,
): FailoverPool {
  const pool = new FailoverPool(poolOptions(settings, identity, options));
  watchPool(pool, settings, log);
  return pool;
}

/** Logs what happens to a pool and puts it on the wire; for pools that somebody else makes, such as TypeORM. */
export function watchPool(pool: FailoverPool, settings: DatabaseSettings, log: Log): void {
  const events: EventEmitter = pool;
  const tell = (event: string, level: "info" | "warn", words: string) =>
    events.on(event, (facts: object) => log[level]({ ...facts }, words));
  pool.on("error", (error) => log.warn({ reason: error.message }, "an idle database connection was lost"));
  tell("primaryLost", "warn", "the primary is lost; callers are held");
  tell("primary", "info", "the primary");
  tell("inDoubt", "info", "a commit is in doubt");
  tell("resolved", "info", "a commit in doubt is resolved");
  settings.wire?.attach(pool);
}
