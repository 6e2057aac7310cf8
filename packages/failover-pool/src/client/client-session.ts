/**
 * The connection below a client, which can be replaced; and what its session has that a new one would not have.
 *
 * States: without a connection, connected, lost (the connection is there and `isLost`). `reconnect` leads from each to
 * connected, or throws: after the deadline, or at once what waiting does not mend.
 */
import pg, { type PoolClient } from "pg";
import { ServerConnection, type SessionName } from "../connection/server-connection.ts";
import { kindOfError } from "../errors/error-table.ts";
import { DatabaseUnavailableError } from "../errors/pool-errors.ts";
import type { PoolCore } from "../pool/pool-core.ts";
import type { Primary } from "../primary/primary-finder.ts";
import { retryWaitMs } from "../primary/retry-wait.ts";
import type { PgQueryConfig } from "../connection/pg-internals.ts";
import { Subscriptions } from "../notifications/subscriptions.ts";
import { ClientQuery, type Results } from "./client-query.ts";

export interface InternalAnswer {
  readonly query: ClientQuery;
  readonly error: Error | undefined;
  readonly results: Results | undefined;
}

type TypeOverrides = InstanceType<typeof pg.TypeOverrides>;

export interface SessionHooks {
  /** The client's statements go straight to the connection until this is over. */
  prepare(): Promise<void>;
  connected(connection: ServerConnection): void;
  lost(connection: ServerConnection, error: unknown): void;
  /** Listens again; notifications in between are gone. */
  subscribedAgain(channels: readonly string[]): void;
}

export class ClientSession {
  connection: ServerConnection | undefined;
  /** P6: what the caller who has the client now did to the session. */
  readonly effects = new Set<string>();
  readonly types: TypeOverrides;
  /** Channels that a new connection is made to listen to. */
  readonly subscriptions = new Subscriptions();
  /** Of the newest connection that was used; its backend may outlive it. */
  #last: SessionName | undefined;

  constructor(
    readonly core: PoolCore,
    types: unknown,
    private readonly hooks: SessionHooks,
  ) {
    this.types = new pg.TypeOverrides(types as never);
  }

  get isUsable(): boolean {
    return this.connection !== undefined && !this.connection.isLost;
  }

  /** Of the connection that was lost last. */
  get lastSession(): SessionName {
    return this.#last ?? { pid: 0, startedAt: "0" };
  }

  /** @throws DatabaseUnavailableError; what the database says to wrong passwords, strangers, full slots, failed hooks. */
  async reconnect(deadlineMs: number): Promise<ServerConnection> {
    const { core } = this;
    for (let tries = 0; ; tries++) {
      if (this.connection !== undefined && !this.connection.isLost) return this.connection;
      const primary = await core.finder.wait(deadlineMs);
      try {
        return await this.#open(primary);
      } catch (error) {
        core.connectFailed(primary, error);
        const kind = kindOfError(error);
        const mayPass = kind === "lost" || kind === "not-primary" || kind === "starting" || kind === "kept-out";
        if (!mayPass && kind !== "full") throw error;
        if (performance.now() > deadlineMs || core.isEnded) {
          if (kind === "full" || core.isEnded) throw error;
          throw core.finder.primary === undefined
            ? core.finder.unavailable(error)
            : new DatabaseUnavailableError(
                "No connection could be made.",
                [{ host: primary.host.id, reason: String(error) }],
                error,
              );
        }
        if (tries > 0 || kind === "full")
          await new Promise((resolve) => setTimeout(resolve, retryWaitMs(tries, Math.random())));
        core.counters.retries++;
      }
    }
  }

  async #open(primary: Primary): Promise<ServerConnection> {
    const connection = this.core.newConnection(primary, this.types);
    try {
      await connection.admit(this.core.finder.seen, this.core.continuity.isOn);
      this.connection = connection;
      connection.onLost = (error) => {
        this.core.connectionLost(connection);
        this.hooks.lost(connection, error);
      };
      this.hooks.connected(connection);
      await this.hooks.prepare();
      if (this.subscriptions.channels.length > 0) await this.#subscribeAgain(connection);
      if (connection.isLost) throw connection.lostBy;
      this.#last = connection.session;
      return connection;
    } catch (error) {
      connection.onLost = undefined;
      const lostBy = connection.isLost ? connection.lostBy : undefined;
      connection.destroy("it was not admitted");
      this.core.connections.delete(connection);
      if (this.connection === connection) this.connection = undefined;
      // A hook that failed because its connection broke is no refusal of the hook.
      throw lostBy !== undefined && kindOfError(error) === "statement" ? lostBy : error;
    }
  }

  async #subscribeAgain(connection: ServerConnection): Promise<void> {
    const { channels, text } = this.subscriptions;
    const { error } = await this.run(connection, { text });
    if (error !== undefined) throw error;
    this.hooks.subscribedAgain(channels);
  }

  /** Runs a statement of the pool's own. Never rejects; check `error`, and whether the connection is lost. */
  run(connection: ServerConnection, config: PgQueryConfig, begin?: string): Promise<InternalAnswer> {
    return new Promise((resolve) => {
      const query = new ClientQuery(
        { answered: (answered, error, results) => resolve({ query: answered, error, results }) },
        config,
      );
      query.begin = begin;
      query.makeReady(true);
      connection.client.query(query as never);
    });
  }
}

export type { PoolClient };
