/**
 * What all clients of one pool share: the finder of the primary, the physical connections, analysed statements, the
 * marker table, figures, and the commits whose outcome is still being found out.
 *
 * Invariants:
 * - P1: when a primary is lost, its idle connections are closed; when another one is taken, every connection of an
 *   older generation is destroyed, in use or not. Nothing else ever cuts a connection that has a query in work.
 * - No marker is needed before `areMarkersReady`; whoever writes first waits until the table is there.
 * - A commit in doubt stays in `doubts` until it is settled or given up, so nothing of it is pruned (P4).
 */
import type { EventEmitter } from "node:events";
import pg, { type PoolClient } from "pg";
import { HostAsker } from "../connection/host-asker.ts";
import type { PgClient, PgClientClass } from "../connection/pg-internals.ts";
import { ServerConnection } from "../connection/server-connection.ts";
import { StatementUses } from "../client/statement-use.ts";
import { MarkerStore } from "../continuity/marker-store.ts";
import { OperationKeys } from "../continuity/operation-keys.ts";
import { forceOutcome, type DoubtfulCommit, type ForcedOutcome } from "../continuity/outcome-resolver.ts";
import { markerSql, type MarkerSql } from "../continuity/marker-table.ts";
import { hostList, type Host } from "../primary/host-list.ts";
import { meansServerGone, PrimaryFinder, type Primary } from "../primary/primary-finder.ts";
import { retryWaitMs } from "../primary/retry-wait.ts";
import { continuitySettings, type ContinuitySettings, type FailoverPoolOptions } from "./pool-options.ts";

export interface PoolCounters {
  retries: number;
  replays: number;
  resolvedCommitted: number;
  resolvedNotCommitted: number;
}

const defaultConnectMs = 5_000;
/** A server under load may need long for a new connection; rounds of questions do not wait for it. */
const askPatienceMs = 2_000;

export class PoolCore {
  readonly holdMaxMs: number;
  readonly holdMaxCallers: number;
  readonly continuity: ContinuitySettings;
  readonly hosts: readonly Host[];
  readonly #asker = new HostAsker((host) => this.#makeClient(host, askPatienceMs, undefined), askPatienceMs);
  readonly finder: PrimaryFinder;
  readonly uses: StatementUses;
  readonly keys = new OperationKeys();
  readonly marker: MarkerSql;
  readonly markers: MarkerStore;
  readonly connections = new Set<ServerConnection>();
  readonly doubts = new Set<DoubtfulCommit>();
  readonly counters: PoolCounters = { retries: 0, replays: 0, resolvedCommitted: 0, resolvedNotCommitted: 0 };
  readonly verify: FailoverPoolOptions["verify"];
  readonly onConnect: FailoverPoolOptions["onConnect"];
  readonly #options: FailoverPoolOptions;
  readonly #Client: PgClientClass;
  #isEnded = false;

  constructor(
    options: FailoverPoolOptions,
    readonly events: EventEmitter,
    private readonly closeIdle: () => void,
  ) {
    this.#options = options;
    this.#Client = (options.Client ?? pg.Client) as unknown as PgClientClass;
    this.holdMaxMs = options.holdMaxMs ?? 30_000;
    this.holdMaxCallers = options.holdMaxCallers ?? 1_000;
    this.continuity = continuitySettings(options.continuity);
    this.hosts = hostList(options);
    this.verify = options.verify;
    this.onConnect = options.onConnect;
    this.marker = markerSql(options.markerTable);
    this.markers = new MarkerStore(options.markerTable, this.marker, (reason) =>
      this.events.emit("continuityUnavailable", reason),
    );
    this.uses = new StatementUses(
      {
        table: this.marker.table,
        columns: ["operation", "attempt"],
        counted: { column: "affected", types: ["uuid", "integer"] },
      },
      new Set([this.marker.pruneSettled, this.marker.pruneOld]),
    );
    this.finder = new PrimaryFinder({
      hosts: this.hosts,
      expectedSystem: options.expectedSystemIdentifier,
      ask: (host) => this.#asker.ask(host),
      found: (primary) => this.#found(primary),
      lost: (last, reason) => {
        this.closeIdle();
        this.events.emit("primaryLost", { primary: last.host.id, reason });
      },
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** A connection that is not yet admitted; it counts, and is given up with its generation. */
  newConnection(primary: Primary, types: unknown): ServerConnection {
    const connection = new ServerConnection(
      this.#makeClient(primary.host, this.#options.connectionTimeoutMillis || defaultConnectMs, types),
      primary,
    );
    this.connections.add(connection);
    connection.client.on("end", () => this.connections.delete(connection));
    connection.client.on("error", () => this.connections.delete(connection));
    return connection;
  }

  /** A lost connection may be one alone (its backend was ended) or the first sign that the server is gone. */
  connectionLost(connection: ServerConnection): void {
    this.connections.delete(connection);
    if (!this.#isEnded) void this.finder.doubt();
  }

  connectFailed(primary: Primary, error: unknown): void {
    if (meansServerGone(error)) this.finder.failed(primary, error);
  }

  /** Asked on a connection of its own: inside a failed transaction the session answers nothing. */
  async isStandby({ host }: Primary): Promise<boolean> {
    const answer = await this.#asker.ask(host).answer;
    return answer.type === "facts" && answer.facts.isStandby;
  }

  doubt(commit: DoubtfulCommit): void {
    this.doubts.add(commit);
    this.events.emit("inDoubt", { ...commit });
  }

  settled(commit: DoubtfulCommit, outcome: ForcedOutcome | "unknown"): void {
    commit.outcome = outcome;
    commit.endedAt = Date.now();
    this.doubts.delete(commit);
    if (outcome === "committed") this.counters.resolvedCommitted++;
    if (outcome === "not-committed") this.counters.resolvedNotCommitted++;
    this.events.emit("resolved", { ...commit });
  }

  /** Its caller could not wait any longer; its outcome is forced as soon as there is a primary. */
  async settleLater(commit: DoubtfulCommit): Promise<void> {
    const untilMs = performance.now() + this.continuity.resolveMaxMs;
    for (let tries = 0; !this.#isEnded && performance.now() < untilMs; tries++) {
      let connection: ServerConnection | undefined;
      try {
        const primary = await this.finder.wait(performance.now() + 60_000);
        connection = this.newConnection(primary, undefined);
        await connection.admit(this.finder.seen, true);
        const outcome = await forceOutcome(connection, this.marker, commit);
        connection.close(() => undefined);
        return this.settled(commit, outcome);
      } catch (error) {
        if (connection !== undefined) this.connectFailed(connection.primary, error);
        connection?.destroy("its outcome could not be found out");
        await new Promise<void>((resolve) => setTimeout(resolve, retryWaitMs(tries, Math.random())).unref());
      }
    }
    this.settled(commit, "unknown");
  }

  end(): void {
    this.#isEnded = true;
    this.finder.stop();
    this.#asker.close();
  }

  /** The hooks of the pool's owner, on each new connection, in the order of `pg-pool`. */
  async prepare(client: PoolClient): Promise<void> {
    if (this.onConnect !== undefined) await this.onConnect(client);
    this.events.emit("connect", client);
    const { verify } = this;
    if (verify === undefined) return;
    await new Promise<void>((resolve, reject) =>
      verify(client, (error) => (error === undefined || error === null ? resolve() : reject(error))),
    );
  }

  #found(primary: Primary): void {
    for (const connection of this.connections) {
      if (connection.primary.generation < primary.generation && connection.primary.timeline < primary.timeline)
        connection.destroy(`${primary.host.id} is the primary now`);
    }
    this.events.emit("primary", { primary: primary.host.id, timeline: primary.timeline });
  }

  #makeClient(host: Host, connectMs: number, types: unknown): PgClient {
    const { hosts: _hosts, connectionString: _string, ...options } = this.#options;
    const client = new this.#Client({
      ...options,
      ...host.config,
      connectionTimeoutMillis: connectMs,
      // One statement of a client is in work at a time; see client/failover-client.ts.
      pipeline: false,
      ...(types !== undefined && { types: types as never }),
    });
    // `pg` lets a connection string without a password take away the one that stands beside it.
    if (!client.password && options.password !== undefined) client.password = options.password as string;
    return client;
  }
}
