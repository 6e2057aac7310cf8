/**
 * Carries out what `decideFate` says of each app server while this process leads. The order is the invariant
 * (DESIGN 4): the verdict stands in PostgreSQL before anything of the lost server is given away.
 *
 *   evidence -> own probe, where the evidence needs it -> PostgreSQL: incarnation lost, sessions ended
 *            -> its jobs and services back to their queues (Q1)
 *            -> registry and routing without it -> the server is told, if it still hears -> history
 *
 * While PostgreSQL is away the verdict waits and is tried again; balancers already avoid the server.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { Inject, Injectable } from "@nestjs/common";
import { declaredLost, probe, type Evidence, type LeaderTerm, type RegisteredServer } from "@understudy/contracts";
import { BeatBoard } from "@understudy/heartbeat";
import { Elector, OnLeadership, OnLeadershipLost } from "@understudy/leadership";
import { Backoff, call, LOG, NatsConnections, pause, SettingsWatch, type Log } from "@understudy/runtime";
import { LeaderDatabase } from "../database/leader-database.ts";
import { HistoryLog } from "../history/history-log.ts";
import { RoutingPublisher } from "../routing/routing-publisher.ts";
import { WorkDesk } from "../work/work-desk.ts";
import { EvidenceBoard, evidenceOfExit, isCleanExit, isLivingMonitor } from "./evidence-board.ts";
import { decideFate } from "./fate.ts";
import { Registry } from "./registry.ts";
import { Suspicions } from "./suspicions.ts";

const lookEveryMs = 200;
// A gap this long between two looks means that we ourselves were not listening.
const ownPauseMs = 1_000;

/** The first piece of evidence in words; all of it stands beside. */
const inShort = ([first]: readonly Evidence[]): string =>
  first === undefined ? "no evidence" : (first.detail ?? first.kind);

@Injectable()
export class Verdicts {
  readonly #underWay = new Set<string>();
  readonly #lifelines: NatsConnection[] = [];
  #term: { leader: LeaderTerm; signal: AbortSignal } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #listeningSince = 0;
  #lastLookAt = 0;

  constructor(
    @Inject(Elector) private readonly elector: Elector,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(BeatBoard) private readonly beats: BeatBoard,
    @Inject(EvidenceBoard) private readonly evidence: EvidenceBoard,
    @Inject(Registry) private readonly registry: Registry,
    @Inject(Suspicions) private readonly suspicions: Suspicions,
    @Inject(RoutingPublisher) private readonly routing: RoutingPublisher,
    @Inject(LeaderDatabase) private readonly database: LeaderDatabase,
    @Inject(WorkDesk) private readonly work: WorkDesk,
    @Inject(HistoryLog) private readonly history: HistoryLog,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.evidence.onExit(() => this.#look());
    this.evidence.onReport(() => this.#look());
    this.nats.onLifeline((connection) => this.#lifelines.push(connection));
    this.nats.onConnected(() => (this.#listeningSince = performance.now()));
  }

  @OnLeadership("work")
  start(leader: LeaderTerm, signal: AbortSignal): void {
    this.#term = { leader, signal };
    this.#listeningSince = performance.now();
    this.#lastLookAt = performance.now();
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
  }

  @OnLeadershipLost()
  stop(): void {
    clearInterval(this.#timer);
    this.#term = undefined;
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#lastLookAt > ownPauseMs) this.#listeningSince = now;
    this.#lastLookAt = now;
    const term = this.#term;
    if (term === undefined || this.elector.leading === undefined) return;
    let changed = false;
    for (const server of this.registry.servers) {
      const { id, incarnation } = server.instance;
      const heard = this.beats.latest(id);
      const exit = this.evidence.exitOf(incarnation);
      const fate = decideFate(server, {
        now,
        lostAfterMs: this.settings.current.appServers.lostAfterMs,
        listeningSince: this.#listeningSince,
        lastBeatAt: heard?.beat.instance.incarnation === incarnation ? heard.heardAtMs : undefined,
        exit: exit && evidenceOfExit(exit),
        reports: this.evidence.reportsOn(incarnation),
        livingMonitors: this.beats.all().filter((beat) => isLivingMonitor(beat, now)).length,
      });
      changed = this.suspicions.set(incarnation, fate.kind !== "alive") || changed;
      if (fate.kind !== "lost") continue;
      if (exit !== undefined && isCleanExit(exit)) void this.#once(server, () => this.#leave(server, term));
      else void this.#once(server, () => this.#declareLost(server, fate.evidence, fate.needsProbe, term));
    }
    if (changed) this.routing.refresh();
  }

  /** Declares the incarnation lost, whatever it takes, unless it turns out to be alive. Used for successors too. */
  supersede(server: RegisteredServer, evidence: readonly Evidence[]): Promise<void> {
    const term = this.#term;
    return term === undefined
      ? Promise.resolve()
      : this.#once(server, () => this.#declareLost(server, evidence, false, term));
  }

  async #once(server: RegisteredServer, run: () => Promise<void>): Promise<void> {
    const { incarnation } = server.instance;
    if (this.#underWay.has(incarnation)) return;
    this.#underWay.add(incarnation);
    try {
      await run();
    } catch (error) {
      this.log.error({ err: error, instance: server.instance.id }, "a verdict could not be carried out");
    } finally {
      this.#underWay.delete(incarnation);
    }
  }

  async #declareLost(
    server: RegisteredServer,
    evidence: readonly Evidence[],
    needsProbe: boolean,
    { leader, signal }: { leader: LeaderTerm; signal: AbortSignal },
  ): Promise<void> {
    const { instance } = server;
    if (needsProbe && (await this.#answersProbe(instance))) return;
    const reason = evidence
      .map(({ kind, detail, observer }) => `${kind} (${observer}${detail === undefined ? "" : `: ${detail}`})`)
      .join("; ");
    const ended = await this.#untilWritten(signal, () => this.database.declareLost(leader, instance, reason));
    if (ended === undefined) return;
    // Q1, before the registry forgets that there is something to do.
    const work = await this.#untilTaken(signal, () =>
      this.work.lose(leader, instance, `${instance.id} was declared lost: ${inShort(evidence)}.`),
    );
    if (work === undefined) return;
    this.elector.assertLeading(leader); // L8: time has passed
    await this.registry.change(leader, instance, (current) => ({
      ...current,
      state: "lost",
      since: Date.now(),
      evidence: [...evidence],
    }));
    this.suspicions.set(instance.incarnation, false);
    this.evidence.forget(instance.incarnation);
    call(
      this.nats.main,
      declaredLost,
      { leader, instance: { id: instance.id, incarnation: instance.incarnation }, reason },
      { id: instance.id, timeoutMs: 1_000 },
    ).catch(() => {
      // It does not hear; it will learn when it asks for anything.
    });
    await this.history.append(
      leader,
      {
        type: "instance",
        instance: { id: instance.id, incarnation: instance.incarnation },
        event: "lost",
        evidence: [...evidence],
        summary: `${instance.id} was declared lost: ${inShort(evidence)}; ${ended} database ${ended === 1 ? "session" : "sessions"} ended${work}`,
      },
      signal,
    );
  }

  async #leave(
    server: RegisteredServer,
    { leader, signal }: { leader: LeaderTerm; signal: AbortSignal },
  ): Promise<void> {
    const { instance } = server;
    const written = await this.#untilWritten(signal, () => this.database.leave(leader, instance).then(() => true));
    if (written === undefined) return;
    await this.registry.change(leader, instance, (current) => ({
      ...current,
      state: "left",
      since: Date.now(),
      evidence: [],
    }));
  }

  /** Tries until PostgreSQL has it; undefined when the term is over. */
  async #untilWritten<Result>(signal: AbortSignal, write: () => Promise<Result>): Promise<Result | undefined> {
    const backoff = new Backoff(50, 1_000);
    while (!signal.aborted) {
      try {
        return await write();
      } catch (error) {
        if ((error as { retryable?: boolean }).retryable !== true) throw error;
        await pause(backoff.nextMs(), signal);
      }
    }
    return undefined;
  }

  /** As above, for statements whose errors say nothing of that: a verdict must not be left half done. */
  async #untilTaken(signal: AbortSignal, take: () => Promise<string>): Promise<string | undefined> {
    const backoff = new Backoff(50, 1_000);
    while (!signal.aborted) {
      try {
        return await take();
      } catch (error) {
        this.log.warn({ reason: (error as Error).message }, "the work of a lost server was not taken away yet");
        await pause(backoff.nextMs(), signal);
      }
    }
    return undefined;
  }

  /** Asked through every NATS node: one that is frozen must not make a living server look dead. */
  async #answersProbe({ id, incarnation }: RegisteredServer["instance"]): Promise<boolean> {
    const answers = await Promise.allSettled(
      [this.nats.main, ...this.#lifelines].map((connection) => call(connection, probe, {}, { id, timeoutMs: 300 })),
    );
    return answers.some((answer) => answer.status === "fulfilled" && answer.value.incarnation === incarnation);
  }
}
