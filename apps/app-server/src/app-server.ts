/**
 * Carries out what the standing asks for: prepares the applications when accepted, takes a new incarnation when
 * declared lost, ends the process when cut off for good; and tells readiness, supervisor and metrics.
 *
 * It decides nothing: every decision is in standing/standing.ts. Order of the start: settings and beats of the leader
 * are followed, the listener for users opens (and refuses), then the registrar asks.
 */
import { Inject, Injectable } from "@nestjs/common";
import {
  Backoff,
  Identity,
  LOG,
  pause,
  Readiness,
  SettingsWatch,
  Shutdown,
  tellSupervisor,
  type Log,
} from "@understudy/runtime";
import { HostedApplications } from "./hosting/hosted-applications.ts";
import { UserListener } from "./hosting/user-listener.ts";
import { Departure, intakeGraceMs } from "./standing/departure.ts";
import { LeaderContact } from "./standing/leader-contact.ts";
import { Registrar } from "./standing/registrar.ts";
import { ServerStanding } from "./standing/server-standing.ts";
import { StandingMetrics } from "./standing/standing-metrics.ts";
import { describe, type Standing } from "./standing/standing.ts";

/** Injection token: ends the process as SIGTERM would, with another exit code. */
export const END = Symbol("END");

@Injectable()
export class AppServer {
  readonly #metrics = new StandingMetrics();
  readonly #renewals = new Backoff(50, 5_000);
  #intakeOver: NodeJS.Timeout | undefined;

  constructor(
    @Inject(ServerStanding) private readonly standing: ServerStanding,
    @Inject(HostedApplications) private readonly hosted: HostedApplications,
    @Inject(UserListener) private readonly listener: UserListener,
    @Inject(LeaderContact) private readonly contact: LeaderContact,
    @Inject(Registrar) private readonly registrar: Registrar,
    @Inject(Departure) private readonly departure: Departure,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(END) private readonly end: (reason: string, exitCode: number) => void,
    @Inject(LOG) private readonly log: Log,
  ) {}

  async start(): Promise<void> {
    this.standing.onChange((now, before) => this.#changed(now, before));
    this.#changed(this.standing.current, this.standing.current);
    this.identity.onStandingRefused(({ incarnation }) => {
      this.standing.apply({ type: "lost", incarnation, reason: "the database refused the incarnation" });
    });
    this.departure.prepare();
    this.settings.start();
    this.standing.start();
    await this.listener.open();
    this.log.info({ url: this.listener.url }, "listens for users");
    this.contact.start();
    this.registrar.start();
  }

  #changed(now: Standing, before: Standing): void {
    const serves = now.kind === "serving" || now.kind === "cut-off";
    // A turn of readiness is beaten at once, and with that beat the message server lists this server or takes it out.
    this.readiness.set("standing", serves, serves ? "" : describe(now));
    this.#metrics.show(now, before);
    if (now.kind === before.kind) return;
    clearTimeout(this.#intakeOver);
    switch (now.kind) {
      case "preparing":
        return void this.#prepare(now.incarnation);
      case "serving":
        this.hosted.work?.accept();
        return this.#serve();
      case "draining":
        this.hosted.work?.drain();
        // By the stop itself, the departure says when.
        if (now.by === "command")
          this.#intakeOver = setTimeout(() => this.standing.apply({ type: "intake-over" }), intakeGraceMs);
        return;
      case "dropped":
        this.hosted.work?.lose(now.reason); // Q3
        return void this.#renew();
      case "ending":
        if (now.exitCode !== 0) this.end(now.reason, now.exitCode);
        return;
      case "waiting":
        this.hosted.work?.drain();
        return;
      case "cut-off":
      case "confirming":
        return;
    }
  }

  async #prepare(incarnation: string): Promise<void> {
    if (await this.hosted.open()) this.standing.apply({ type: "prepared", incarnation });
  }

  #serve(): void {
    this.#renewals.reset();
    tellSupervisor({ type: "serving", url: this.listener.url });
  }

  /** The listener has already answered what ran; here its applications end, and with them their pools. */
  async #renew(): Promise<void> {
    await this.hosted.close();
    await pause(this.#renewals.nextMs(), this.shutdown.signal);
    if (this.shutdown.signal.aborted) return;
    const { incarnation } = this.identity.takeNewIncarnation();
    this.standing.apply({ type: "renewed", incarnation });
  }
}
