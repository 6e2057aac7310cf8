/**
 * Hears the active message server: its beats, through the main connection and every lifeline, so that the loss of
 * one NATS node is no loss of contact; and its routing table, which tells whether it knows this incarnation.
 *
 * Beats of an older term are no contact: a message server that was paused does not know that it no longer leads.
 */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import { Inject, Injectable } from "@nestjs/common";
import { leaderBeat, routingPublished, type LeaderTerm, type RoutingTable } from "@understudy/contracts";
import { Identity, listen, LOG, NatsConnections, SettingsWatch, type Log } from "@understudy/runtime";
import { FollowedLeader } from "./followed-leader.ts";
import { ServerStanding } from "./server-standing.ts";

/** The table comes every 500 ms, and this server stands in it once its own ready beat was heard. */
const missingTablesAllowed = 4;

@Injectable()
export class LeaderContact {
  readonly #subscriptions: Subscription[] = [];
  readonly #listeners: (() => void)[] = [];
  #missingTables = 0;

  constructor(
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(FollowedLeader) private readonly leader: FollowedLeader,
    @Inject(ServerStanding) private readonly standing: ServerStanding,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(LOG) private readonly log: Log,
  ) {}

  start(): void {
    this.#follow(this.nats.main);
    this.#subscriptions.push(
      listen(this.nats.main, routingPublished, (table) => this.#read(table), { onMalformed: this.#malformed }),
    );
    this.nats.onLifeline((connection) => this.#follow(connection));
  }

  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  /** Called with each beat of the leader that is followed. */
  onBeat(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #follow(connection: NatsConnection): void {
    this.#subscriptions.push(
      listen(connection, leaderBeat, ({ leader }) => this.#beat(leader), { onMalformed: this.#malformed }),
    );
  }

  #beat(offered: LeaderTerm): void {
    const verdict = this.leader.hear(offered);
    if (verdict === "stale" || verdict === "contradicts") {
      this.log.debug({ offered, followed: this.leader.known }, "a beat of another leader is no contact");
      return;
    }
    this.standing.apply({ type: "contact" });
    if (verdict === "newer") {
      this.log.info({ term: offered.term, leader: offered.holder.id }, "follows a new leader");
      this.standing.apply({ type: "unconfirmed" });
    }
    for (const listener of this.#listeners) listener();
  }

  /** A leader that leaves a serving server out of its table does not know it, or has declared it lost: ask. */
  #read(table: RoutingTable): void {
    const verdict = this.leader.hear(table.leader);
    if (verdict === "stale" || verdict === "contradicts") return;
    const { id, incarnation } = this.identity.ref;
    const isForUsers = this.settings.current.workQueues.appServers[id]?.onlyBackground !== true;
    const serves = this.standing.current.kind === "serving" && isForUsers;
    const listed = table.servers.some((server) => server.id === id && server.incarnation === incarnation);
    this.#missingTables = !serves || listed ? 0 : this.#missingTables + 1;
    if (this.#missingTables < missingTablesAllowed) return;
    this.#missingTables = 0;
    this.log.warn("missing from the routing table; registers again");
    this.standing.apply({ type: "unconfirmed" });
  }

  readonly #malformed = (error: unknown): void => {
    this.log.warn({ reason: (error as Error).message }, "a message of the message server is not understood");
  };
}
