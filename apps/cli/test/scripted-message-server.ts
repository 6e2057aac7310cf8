/**
 * Answers the message server's requests in the test's own process, from values that the test can read and change: the
 * command line is tried against the real wire without the real service.
 */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import {
  clusterStatus,
  drainServer,
  getConfiguration,
  readHistory,
  resumeServer,
  setConfiguration,
  switchover,
  type ClusterStatus,
  type HistoryEntry,
  type RequestContract,
  type VersionedSettings,
} from "@understudy/contracts";
import { CallerError, toWire } from "@understudy/runtime/errors";
import type { z } from "zod";
import { exampleSettings, exampleStatus } from "../src/testing/example-cluster.ts";

export class ScriptedMessageServer {
  status: ClusterStatus = exampleStatus();
  configuration: VersionedSettings = exampleSettings();
  entries: HistoryEntry[] = [];
  /** The next request to this subject is carried out without an answer, as when a leader dies in between. */
  loseAnswerTo: string | undefined;
  /** The subjects that were asked. */
  readonly asked: string[] = [];
  readonly #subscriptions: Subscription[] = [];

  constructor(private readonly connection: NatsConnection) {}

  async start(): Promise<void> {
    this.#serve(clusterStatus, () => this.status);
    this.#serve(getConfiguration, () => ({ settings: this.configuration, roles: this.status.roles }));
    this.#serve(setConfiguration, (request) => this.#change(request));
    this.#serve(readHistory, ({ limit }) => ({ entries: this.entries.slice(0, limit) }));
    this.#serve(drainServer, ({ id }) => ({ server: this.#move(id, "draining") }));
    this.#serve(resumeServer, ({ id }) => ({ server: this.#move(id, "accepting") }));
    this.#serve(switchover, ({ to }) => this.#handOver(to));
    await this.connection.flush();
  }

  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  #serve<Request extends z.ZodType, Reply extends z.ZodType>(
    contract: RequestContract<Request, Reply>,
    answer: (request: z.infer<Request>) => z.input<Reply>,
  ): void {
    const subscription = this.connection.subscribe(contract.subject, {
      callback: (error, message) => {
        if (error) return;
        this.asked.push(contract.subject);
        const { id, data } = message.json<{ id: string; data: unknown }>();
        let reply: object;
        try {
          reply = { id, response: answer(contract.request.parse(data)), isDisposed: true };
        } catch (cause) {
          reply = { id, err: toWire(cause), isDisposed: true };
        }
        if (this.loseAnswerTo === contract.subject) this.loseAnswerTo = undefined;
        else message.respond(JSON.stringify(reply));
      },
    });
    this.#subscriptions.push(subscription);
  }

  #change(request: z.infer<typeof setConfiguration.request>): { settings: VersionedSettings } {
    const current = this.configuration;
    if (current.changeIds.includes(request.changeId)) return { settings: current };
    if (current.version !== request.expectedVersion) {
      throw new CallerError("conflict", `The configuration is at version ${current.version}.`);
    }
    this.configuration = {
      ...current,
      version: current.version + 1,
      changedBy: request.changedBy,
      changeIds: [request.changeId, ...current.changeIds],
      settings: request.settings as VersionedSettings["settings"],
    };
    return { settings: this.configuration };
  }

  #move(id: string, state: "draining" | "accepting"): ClusterStatus["appServers"][number] {
    const server = this.status.appServers.find(({ instance }) => instance.id === id);
    if (server === undefined) throw new CallerError("unknown-instance", `There is no app server ${id}.`);
    server.state = state;
    return server;
  }

  #handOver(to = this.status.roles.alternates[0]): z.input<typeof switchover.reply> {
    const next = this.status.instances.find(({ instance }) => instance.id === to)?.instance;
    if (next === undefined) throw new CallerError("unknown-instance", `There is no alternate ${to}.`);
    const from = this.status.leader;
    const leader = { term: from.term + 1, holder: { id: next.id, incarnation: next.incarnation } };
    const roles = { ...this.status.roles, term: leader.term, messageServer: next.id, alternates: [from.holder.id] };
    this.status = { ...this.status, leader, roles };
    return { from, to: leader };
  }
}
