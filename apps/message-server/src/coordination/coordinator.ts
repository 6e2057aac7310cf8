/**
 * The message server's leadership: runs the election and, as leader, takes over in an order that keeps everybody
 * working (L7):
 *
 *   announce  answer the leader's subjects; "I lead"; introduce itself to every app server    no disk, no database
 *   fence     the term into KV (settings, roles, registry) and PostgreSQL, so that older terms are powerless there
 *   work      keep the streams' Raft leaders off this machine (L6), history, verdicts
 *
 * On loss it stops answering first. On a planned stop or a switchover it hands over before anything else ends.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from "@nestjs/common";
import {
  configurationBucket,
  follow,
  historyStream,
  leaderBeat,
  messageServerRole,
  stateBucket,
  type Evidence,
  type ExitEvidence,
  type LeaderTerm,
} from "@understudy/contracts";
import { BeatBoard } from "@understudy/heartbeat";
import {
  Elector,
  HolderProbe,
  isHeldBy,
  keepStreamElsewhere,
  leaseStream,
  OnLeadership,
  OnLeadershipLost,
  type SeenLease,
} from "@understudy/leadership";
import {
  call,
  CallerError,
  CONFIGURATION,
  Identity,
  InstanceServer,
  listen,
  LOG,
  NatsConnections,
  OperationalError,
  pause,
  publish,
  Readiness,
  Shutdown,
  type Log,
} from "@understudy/runtime";
import { Counter, Gauge } from "prom-client";
import { ConfigurationStore } from "../configuration/configuration-store.ts";
import { LeaderDatabase } from "../database/leader-database.ts";
import { HistoryLog } from "../history/history-log.ts";
import type { MessageServerConfiguration } from "../message-server.config.ts";
import { EvidenceBoard, evidenceOfExit } from "../registry/evidence-board.ts";
import { Registry } from "../registry/registry.ts";
import { persistently } from "./persistently.ts";
import { takeoverRecord } from "./takeover-record.ts";

const leaderBeatEveryMs = 250;
// A node that comes back leaves streams where they fled to, until somebody looks: the next fault may come soon.
const placementAfterMs = 700;
const placementEveryMs = 2_000;
// Nobody waits for the history, and evidence may take the way over another NATS node.
const evidenceWaitMs = 1_500;
// Heard of within the time after which silence begins to count against anybody.
const alternateSilentMs = 3_000;
const successorWaitMs = 1_000;

const leads = new Gauge({ name: "understudy_message_server_leads", help: "1 while this process leads" });
const termGauge = new Gauge({ name: "understudy_message_server_term", help: "Latest term seen" });
const takeovers = new Counter({
  name: "understudy_message_server_takeovers_total",
  help: "Terms gained by this process",
  labelNames: ["reason"],
});

interface Gain {
  readonly electedAt: number;
  readonly evidence: readonly Evidence[];
  readonly previous: SeenLease | undefined;
  readonly lastAliveAt: number | undefined;
  actingAt: number | undefined;
}

@Injectable()
export class Coordinator implements OnApplicationBootstrap {
  readonly #probe: HolderProbe;
  #gain: Gain | undefined;
  #beat: NodeJS.Timeout | undefined;
  #settingsVersion = 0;

  constructor(
    @Inject(CONFIGURATION) private readonly configuration_: MessageServerConfiguration,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(LOG) private readonly log: Log,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(InstanceServer) private readonly server: InstanceServer,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Elector) private readonly elector: Elector,
    @Inject(BeatBoard) private readonly beats: BeatBoard,
    @Inject(EvidenceBoard) private readonly evidence: EvidenceBoard,
    @Inject(Registry) private readonly registry: Registry,
    @Inject(ConfigurationStore) private readonly configuration: ConfigurationStore,
    @Inject(LeaderDatabase) private readonly database: LeaderDatabase,
    @Inject(HistoryLog) private readonly history: HistoryLog,
  ) {
    this.#probe = new HolderProbe({
      nats,
      observer: identity.id,
      log,
      holder: () => {
        const seen = elector.seen;
        return seen === undefined || seen.lease.status === "released" || isHeldBy(seen, identity.ref)
          ? undefined
          : seen.lease.holder;
      },
      onHint: (incarnation, hints) => elector.hint(incarnation, hints),
      onAlive: (incarnation) => elector.holderIsAlive(incarnation),
    });
  }

  onApplicationBootstrap(): void {
    this.readiness.set("election", false, "no lease seen yet");
    this.elector.on("lease", ({ lease }) => {
      termGauge.set(lease.term);
      this.readiness.set("election", true);
    });
    this.elector.on("lead", (leader, evidence, previous) => {
      this.#gain = {
        electedAt: Date.now(),
        evidence,
        previous,
        lastAliveAt: this.#probe.lastAnswerAt,
        actingAt: undefined,
      };
      leads.set(1);
      termGauge.set(leader.term);
      takeovers.inc({ reason: evidence[0]?.kind ?? "first-start" });
      this.readiness.set("election", true);
      this.log.info({ term: leader.term, evidence }, "leading");
    });
    this.evidence.onExit((exit) => this.elector.hint(exit.instance.incarnation, [evidenceOfExit(exit)]));
    this.beats.onBeat(({ beat: { instance } }) => {
      const leader =
        instance.kind === "message-server" && instance.id !== this.identity.id ? this.elector.leading : undefined;
      if (leader !== undefined) this.#meet(leader, instance.id);
    });
    this.shutdown.on("hand-over", "lease", async () => {
      await this.elector.handOver(this.#bestAlternate());
      this.elector.stop();
      this.#probe.stop();
    });
    void this.database.followTerm(this.shutdown.signal);
    this.registry.follow(this.shutdown.signal);
    this.configuration.follow(this.shutdown.signal);
    this.evidence.start();
    this.#probe.start();
    this.elector.start();
  }

  @OnLeadership("announce")
  announce(leader: LeaderTerm, signal: AbortSignal): void {
    this.server.setLeading(true);
    const say = () => {
      if (this.elector.leading?.term !== leader.term) return; // L8
      publish(this.nats.main, leaderBeat, { leader, settingsVersion: this.#settingsVersion, at: Date.now() });
    };
    say();
    this.#beat = setInterval(say, leaderBeatEveryMs);
    signal.addEventListener("abort", () => clearInterval(this.#beat), { once: true });
    for (const { instance, state } of this.registry.servers) {
      if (state !== "lost" && state !== "left") void this.#introduce(leader, instance, signal);
    }
  }

  /** L7: the app server follows the new term without restarting. */
  async #introduce(
    leader: LeaderTerm,
    instance: { readonly id: string; readonly incarnation: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { id, incarnation } = instance;
    for (let attempt = 0; attempt < 5 && !signal.aborted; attempt++) {
      try {
        const { acceptedAt } = await call(
          this.nats.main,
          follow,
          { leader, instance: { id, incarnation } },
          { id, timeoutMs: 1_000 },
        );
        if (this.#gain !== undefined) this.#gain.actingAt = Math.min(this.#gain.actingAt ?? Infinity, acceptedAt);
        return;
      } catch (error) {
        if (error instanceof CallerError) {
          this.log.warn({ app: id, reason: error.message }, "an app server did not follow");
          return;
        }
        await pause(20 * 2 ** attempt, signal);
      }
    }
  }

  @OnLeadershipLost()
  lost(leader: LeaderTerm, reason: string): void {
    clearInterval(this.#beat);
    this.server.setLeading(false, this.#successorAnswers(leader));
    leads.set(0);
    this.#gain = undefined;
    this.log.warn({ term: leader.term, reason }, "no longer leading");
  }

  /** Resolves when a later leader has said so, which it does after it began to answer; or after `successorWaitMs`. */
  async #successorAnswers({ term }: LeaderTerm): Promise<void> {
    const heard = new AbortController();
    const beats = listen(this.nats.main, leaderBeat, ({ leader }) => leader.term > term && heard.abort());
    await pause(successorWaitMs, heard.signal);
    beats.unsubscribe();
  }

  @OnLeadership("fence")
  async fenceConfiguration(leader: LeaderTerm, signal: AbortSignal): Promise<void> {
    const others = this.beats
      .all()
      .filter(({ beat: { instance } }) => instance.kind === "message-server")
      .map(({ beat: { instance } }) => instance.id);
    await persistently("roles", signal, this.log, () => this.configuration.takeOver(leader, others));
    this.#settingsVersion =
      (await persistently("settings", signal, this.log, () => this.configuration.settings()))?.version ?? 0;
  }

  @OnLeadership("fence")
  async fenceRegistry(leader: LeaderTerm, signal: AbortSignal): Promise<void> {
    await persistently("registry", signal, this.log, () => this.registry.stamp(leader));
    // Whoever registered in the last moments of the old leader and was not known here before.
    for (const { instance, state } of this.registry.servers) {
      if (state !== "lost" && state !== "left") void this.#introduce(leader, instance, signal);
    }
  }

  /** Not awaited by the next phase: PostgreSQL may be away, leadership on NATS goes on (L2). */
  @OnLeadership("fence")
  fenceDatabase(leader: LeaderTerm, signal: AbortSignal): void {
    this.readiness.set("database-term", true, "the term is not in the database yet");
    void this.database.commit(leader, signal).then((stands) => {
      if (stands) this.log.info({ term: leader.term }, "the term stands in the database");
      else if (!signal.aborted) {
        // PostgreSQL knows a higher term than the lease did: hand over, and the next term is above it (L2).
        this.log.error({ term: leader.term }, "the database knows a higher term; giving the lease away");
        void this.elector.handOver();
      }
    });
  }

  @OnLeadership("work")
  keepStreamsElsewhere(_leader: LeaderTerm, signal: AbortSignal): void {
    const ownNode = this.configuration_.UNDERSTUDY_NATS_NODE;
    if (ownNode === undefined) return;
    const streams = [leaseStream(messageServerRole), `KV_${stateBucket}`, `KV_${configurationBucket}`, historyStream];
    const move = async () => {
      for (const stream of streams) {
        try {
          await keepStreamElsewhere(this.nats.main, stream, ownNode);
        } catch (error) {
          this.log.debug({ stream, reason: (error as Error).message }, "the stream's leader was not moved");
        }
      }
    };
    void (async () => {
      // Not in the first moments: elections of four streams at once would take the cores from those who follow.
      await pause(placementAfterMs, signal);
      while (!signal.aborted) {
        await move(); // L6
        await pause(placementEveryMs, signal);
      }
    })();
  }

  @OnLeadership("work")
  async recordTakeover(leader: LeaderTerm, signal: AbortSignal): Promise<void> {
    const gain = this.#gain;
    if (gain === undefined) return;
    const from = gain.previous?.lease.holder;
    const exit = from && (await this.#exitEvidence(from.incarnation, signal));
    const others = this.registry.servers.some(({ state }) => state === "accepting");
    await this.history.append(
      leader,
      {
        ...takeoverRecord({
          role: messageServerRole,
          from: from && { id: from.id, incarnation: from.incarnation },
          to: leader.holder,
          evidence: gain.evidence,
          exit,
          lastAliveAt: gain.lastAliveAt,
          electedAt: gain.electedAt,
          actingAt: others ? (gain.actingAt ?? Date.now()) : gain.electedAt,
        }),
      },
      signal,
    );
  }

  /** The supervisor's evidence may come a little later than our own; absent after `evidenceWaitMs`. */
  async #exitEvidence(incarnation: string, signal: AbortSignal): Promise<ExitEvidence | undefined> {
    for (let waitedMs = 0; waitedMs < evidenceWaitMs && !signal.aborted; waitedMs += 20) {
      const exit = this.evidence.exitOf(incarnation);
      if (exit !== undefined) return exit;
      await pause(20, signal);
    }
    return undefined;
  }

  /**
   * Hands the role to `to`, or to the alternate heard last.
   * @throws CallerError `refused` when there is no living alternate, or `to` is none; OperationalError `timeout`.
   */
  async switchOver(to: string | undefined): Promise<{ from: LeaderTerm; to: LeaderTerm }> {
    const from = this.elector.assertLeading();
    const alternates = this.#livingAlternates();
    const known = alternates.join(", ") || "none";
    if (to === this.identity.id)
      throw new CallerError("refused", `${to} is the message server already; alternates: ${known}.`);
    if (to !== undefined && !alternates.includes(to))
      throw new CallerError("refused", `${to} is no living alternate; alternates: ${known}.`);
    const target = to ?? alternates[0];
    if (target === undefined)
      throw new CallerError("refused", "There is no living alternate to hand over to: start one first.");
    const successor = new Promise<LeaderTerm>((resolve) => {
      const onLease = ({ lease }: SeenLease) => {
        if (lease.status !== "held" || lease.term <= from.term) return;
        this.elector.off("lease", onLease);
        resolve({ term: lease.term, holder: { id: lease.holder.id, incarnation: lease.holder.incarnation } });
      };
      this.elector.on("lease", onLease);
    });
    await this.elector.handOver(target);
    const outcome = await Promise.race([successor, pause(5_000).then(() => undefined)]);
    if (outcome === undefined)
      throw new OperationalError("timeout", `${target} did not take over within 5 s; the lease is free for anybody.`);
    return { from, to: outcome };
  }

  #livingAlternates(): string[] {
    return this.beats
      .all()
      .filter(
        ({ beat: { instance, ready }, heardAtMs }) =>
          instance.kind === "message-server" &&
          instance.id !== this.identity.id &&
          ready &&
          performance.now() - heardAtMs <= alternateSilentMs,
      )
      .sort((a, b) => b.heardAtMs - a.heardAtMs)
      .map(({ beat: { instance } }) => instance.id);
  }

  #bestAlternate(): string | undefined {
    return this.#livingAlternates()[0];
  }

  readonly #met = new Set<string>();
  #meet(leader: LeaderTerm, id: string): void {
    if (this.#met.has(id)) return;
    this.#met.add(id);
    this.configuration.addAlternate(leader, id).catch(() => this.#met.delete(id));
  }
}
