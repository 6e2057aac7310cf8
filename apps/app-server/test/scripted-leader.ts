import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import {
  declaredLost,
  defaultClusterSettings,
  deregister,
  follow,
  leaderBeat,
  register,
  routingPublished,
  setIntake,
  type ClusterSettings,
  type InstanceRef,
  type LeaderTerm,
  type Registration,
  type RegisterReply,
  type RoutingTable,
  type VersionedSettings,
} from "@understudy/contracts";
import { call, publish } from "@understudy/runtime";
import type pg from "pg";
import { randomUUID } from "node:crypto";

interface Envelope {
  readonly id: string;
  readonly data: unknown;
}

let settingsVersion = 0;

/** Settings with shortened times, as an operator would store them. */
export function settingsWith(appServers: Partial<ClusterSettings["appServers"]> = {}): VersionedSettings {
  const standard = defaultClusterSettings();
  return {
    version: ++settingsVersion,
    term: 1,
    changedAt: new Date().toISOString(),
    changedBy: "test",
    changeIds: [],
    settings: { ...standard, appServers: { ...standard.appServers, ...appServers } },
  };
}

/**
 * The active message server's side of its contract with app servers, under a test's control: answers registrations,
 * beats, commands, and writes standings to the real database. It decides nothing by itself.
 */
export class ScriptedLeader {
  readonly term: LeaderTerm;
  readonly registrations: Registration[] = [];
  readonly farewells: string[] = [];
  /** What is answered next; undefined: accepted. */
  refusal: Omit<Extract<RegisterReply, { verdict: "refused" }>, "verdict"> | undefined;
  readonly #subscriptions: Subscription[] = [];
  #beats: NodeJS.Timeout | undefined;

  constructor(
    private readonly nats: NatsConnection,
    private readonly database: pg.Pool,
    private readonly settings: VersionedSettings,
    term: number,
    holder: InstanceRef = { id: "message-server-a", incarnation: randomUUID() },
  ) {
    this.term = { term, holder };
  }

  /** Answers and beats. */
  lead(): void {
    this.#answer(register.subject, (data) => this.#register(data as Registration));
    this.#answer(deregister.subject, (data) => {
      this.farewells.push((data as { phase: string }).phase);
      return Promise.resolve({ leader: this.term });
    });
    this.beat();
  }

  beat(): void {
    clearInterval(this.#beats);
    const send = () => publish(this.nats, leaderBeat, { leader: this.term, settingsVersion: 1, at: Date.now() });
    send();
    this.#beats = setInterval(send, 200);
  }

  /** Is gone: no beats, and requests find nobody. */
  async vanish(): Promise<void> {
    clearInterval(this.#beats);
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    await this.nats.flush();
  }

  /** As often as a message server would in two seconds. */
  publishTable(servers: RoutingTable["servers"]): void {
    for (let version = 1; version <= 4; version++)
      publish(this.nats, routingPublished, { leader: this.term, version, issuedAt: Date.now(), servers });
  }

  follow(instance: InstanceRef, leader = this.term) {
    return call(this.nats, follow, { leader, instance }, { id: instance.id });
  }

  setIntake(instance: InstanceRef, intake: "accepting" | "draining") {
    return call(this.nats, setIntake, { leader: this.term, instance, intake }, { id: instance.id });
  }

  /** The verdict as a message server carries it out: first in the database, then its sessions, then its word. */
  async declareLost(instance: InstanceRef, { tells }: { readonly tells: boolean }): Promise<void> {
    await this.database.query("UPDATE understudy.instance_standing SET standing = 'lost' WHERE incarnation = $1", [
      instance.incarnation,
    ]);
    await this.database.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()",
      [`understudy:${instance.id}:${instance.incarnation}`],
    );
    if (tells) {
      const command = { leader: this.term, instance, reason: "silence through every NATS node" };
      await call(this.nats, declaredLost, command, { id: instance.id });
    }
  }

  async #register(registration: Registration): Promise<RegisterReply> {
    this.registrations.push(registration);
    if (this.refusal !== undefined) return { verdict: "refused", ...this.refusal };
    const { id, incarnation, machine } = registration.instance;
    const { rows } = await this.database.query<{ standing: string }>(
      `INSERT INTO understudy.instance_standing (incarnation, id, machine, standing, term) VALUES ($1, $2, $3, 'accepted', $4)
       ON CONFLICT (incarnation) DO UPDATE SET term = $4 RETURNING standing`,
      [incarnation, id, machine, this.term.term],
    );
    return rows[0]?.standing === "lost"
      ? { verdict: "refused", reason: "declared-lost", message: "was declared lost", retryAfterMs: 1 }
      : { verdict: "accepted", leader: this.term, settings: this.settings };
  }

  #answer(subject: string, reply: (data: unknown) => Promise<unknown>): void {
    const subscription = this.nats.subscribe(subject, {
      callback: (_error, message) => {
        const { id, data } = message.json<Envelope>();
        void reply(data).then((response) => message.respond(JSON.stringify({ id, response, isDisposed: true })));
      },
    });
    this.#subscriptions.push(subscription);
  }
}
