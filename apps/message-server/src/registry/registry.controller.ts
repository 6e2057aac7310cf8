import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import {
  deregister,
  drainServer,
  register,
  resumeServer,
  setIntake,
  type LeaderTerm,
  type RegisteredServer,
  type RegisterReply,
} from "@understudy/contracts";
import { BeatBoard } from "@understudy/heartbeat";
import { Elector } from "@understudy/leadership";
import {
  call,
  CallerError,
  HandlesRequest,
  Identity,
  NatsConnections,
  OperationalError,
  parseRequest,
} from "@understudy/runtime";
import { ConfigurationStore } from "../configuration/configuration-store.ts";
import { LeaderDatabase } from "../database/leader-database.ts";
import { HistoryLog } from "../history/history-log.ts";
import { decideRegistration } from "./registration-policy.ts";
import { Registry } from "./registry.ts";
import { Verdicts } from "./verdicts.ts";

/** App servers come, drain, resume and go. */
@Controller()
export class RegistryController {
  constructor(
    @Inject(Identity) private readonly identity: Identity,
    @Inject(Elector) private readonly elector: Elector,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(BeatBoard) private readonly beats: BeatBoard,
    @Inject(Registry) private readonly registry: Registry,
    @Inject(ConfigurationStore) private readonly configuration: ConfigurationStore,
    @Inject(LeaderDatabase) private readonly database: LeaderDatabase,
    @Inject(Verdicts) private readonly verdicts: Verdicts,
    @Inject(HistoryLog) private readonly history: HistoryLog,
  ) {}

  @HandlesRequest(register)
  async register(@Payload() payload: unknown): Promise<RegisterReply> {
    const registration = parseRequest(register, payload);
    const leader = this.elector.assertLeading();
    const settings = await this.configuration.settings();
    const { instance } = registration;
    const known = this.registry.find(instance.id);
    const heard = this.beats.latest(instance.id);
    const decision = decideRegistration(registration, {
      cluster: this.identity.cluster,
      settings: settings.settings,
      known,
      knownSilentMs:
        heard !== undefined && heard.beat.instance.incarnation === known?.instance.incarnation
          ? performance.now() - heard.heardAtMs
          : undefined,
    });
    if (decision.kind === "refuse") return decision.refusal;
    if (decision.kind === "supersede") {
      const { predecessor } = decision;
      await this.verdicts.supersede(predecessor, [
        {
          kind: "silence",
          at: Date.now(),
          observer: this.identity.id,
          detail: `a new incarnation of ${instance.id} registers and the old one is silent`,
        },
      ]);
    }
    const isRepeated = known?.instance.incarnation === instance.incarnation && known.state !== "left";
    try {
      // The standing first: without it the server may not touch the database.
      if ((await this.database.accept(leader, instance)) === "lost") {
        return {
          verdict: "refused",
          reason: "declared-lost",
          message: `Incarnation ${instance.incarnation} was declared lost: take a new one.`,
          retryAfterMs: 1,
        };
      }
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      // Known here and asking again (after a takeover, say): it goes on; its next connection is checked anyway.
      if (!isRepeated)
        return { verdict: "refused", reason: "database-unavailable", message: error.message, retryAfterMs: 300 };
    }
    this.elector.assertLeading(leader);
    if (!isRepeated) {
      await this.registry.put(leader, { ...registration, state: "accepting", since: Date.now(), evidence: [] });
      this.#note(leader, registration, "accepted", `${instance.id} was accepted on ${instance.machine}`);
    }
    return { verdict: "accepted", leader, settings };
  }

  @HandlesRequest(deregister)
  async deregister(@Payload() payload: unknown): Promise<{ leader: LeaderTerm }> {
    const { instance, phase } = parseRequest(deregister, payload);
    const leader = this.elector.assertLeading();
    const server = this.registry.find(instance.id);
    if (server?.instance.incarnation !== instance.incarnation || server.state === "lost") return { leader };
    if (server.state !== phase) {
      await this.registry.change(leader, instance, (current) => ({ ...current, state: phase, since: Date.now() }));
      this.#note(
        leader,
        server,
        phase,
        phase === "left" ? `${instance.id} ended as planned` : `${instance.id} drains before it ends`,
      );
    }
    if (phase === "left") await this.database.leave(leader, instance);
    return { leader };
  }

  @HandlesRequest(drainServer)
  drain(@Payload() payload: unknown): Promise<{ server: RegisteredServer }> {
    const { id, reason } = parseRequest(drainServer, payload);
    return this.#setIntake(id, "draining", "draining", reason);
  }

  @HandlesRequest(resumeServer)
  resume(@Payload() payload: unknown): Promise<{ server: RegisteredServer }> {
    const { id, reason } = parseRequest(resumeServer, payload);
    return this.#setIntake(id, "accepting", "resumed", reason);
  }

  async #setIntake(
    id: string,
    intake: "accepting" | "draining",
    event: "draining" | "resumed",
    reason?: string,
  ): Promise<{ server: RegisteredServer }> {
    const leader = this.elector.assertLeading();
    const server = this.registry.get(id);
    if (server.state === "lost" || server.state === "left") {
      throw new CallerError(
        "refused",
        `${id} is ${server.state}: it cannot be ${event}. It registers again when it is started.`,
      );
    }
    if (server.state !== intake) {
      await this.registry.change(leader, server.instance, (current) => ({
        ...current,
        state: intake,
        since: Date.now(),
      }));
      this.#note(
        leader,
        server,
        event,
        `${id} was ${event === "draining" ? "drained" : "resumed"} by an operator${reason === undefined ? "" : `: ${reason}`}`,
      );
    }
    // The table keeps requests away already; the server is told so that it knows, too.
    const { id: instanceId, incarnation } = server.instance;
    await call(this.nats.main, setIntake, { leader, instance: { id: instanceId, incarnation }, intake }, { id }).catch(
      (error: unknown) => {
        if (!(error instanceof OperationalError)) throw error;
      },
    );
    return { server: this.registry.get(id) };
  }

  #note(
    leader: LeaderTerm,
    server: { readonly instance: { readonly id: string; readonly incarnation: string } },
    event: "accepted" | "draining" | "resumed" | "left",
    summary: string,
  ): void {
    const { id, incarnation } = server.instance;
    // Written in the background: nobody waits for history.
    void this.history.append(
      leader,
      { type: "instance", instance: { id, incarnation }, event, evidence: [], summary },
      AbortSignal.timeout(30_000),
    );
  }
}
