/**
 * Leaves the cluster so that no request fails: says that it drains, goes on answering until balancers have the new
 * table, finishes what it has, says that it has left, and only then lets go of database and NATS.
 *
 * A server that ends because it is cut off says nothing (nobody hears it) and finishes for a moment only.
 */
import { Inject, Injectable } from "@nestjs/common";
import { deregister } from "@understudy/contracts";
import {
  call,
  CONFIGURATION,
  Identity,
  LOG,
  NatsConnections,
  pause,
  SettingsWatch,
  Shutdown,
} from "@understudy/runtime";
import type { Log } from "@understudy/runtime";
import type { AppServerConfiguration } from "../app-server.config.ts";
import { HostedApplications } from "../hosting/hosted-applications.ts";
import { RequestsInWork } from "../hosting/requests-in-work.ts";
import { UserListener } from "../hosting/user-listener.ts";
import { LeaderContact } from "./leader-contact.ts";
import { Registrar } from "./registrar.ts";
import { ServerStanding } from "./server-standing.ts";

/** Balancers have the new table at once when it is published; twice its period for one that was missed. */
export const intakeGraceMs = 1_000;
const shortDrainMs = 2_000;
const farewellMs = 700;
const farewellAttempts = 3;
/** What the phases after the drain need of UNDERSTUDY_STOP_TIMEOUT_MS. */
const afterDrainMs = 5_000;

@Injectable()
export class Departure {
  constructor(
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(CONFIGURATION) private readonly configuration: AppServerConfiguration,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(ServerStanding) private readonly standing: ServerStanding,
    @Inject(RequestsInWork) private readonly requests: RequestsInWork,
    @Inject(HostedApplications) private readonly hosted: HostedApplications,
    @Inject(UserListener) private readonly listener: UserListener,
    @Inject(LeaderContact) private readonly contact: LeaderContact,
    @Inject(Registrar) private readonly registrar: Registrar,
    @Inject(LOG) private readonly log: Log,
  ) {}

  /** Takes its places in the order of the stop. */
  prepare(): void {
    let isKnown = false;
    this.shutdown.on("stop-intake", "standing", async () => {
      isKnown = "confirmed" in this.standing.current;
      this.standing.apply({ type: "stop" });
      this.registrar.stop();
      if (isKnown) isKnown = await this.#say("draining");
    });
    this.shutdown.on("finish", "requests", async () => {
      await this.#finish();
      if (isKnown) await this.#say("left");
    });
    this.shutdown.on("close-pools", "hosting", async () => {
      this.contact.stop();
      this.standing.stop();
      this.settings.stop();
      await this.listener.close();
      await this.hosted.close();
    });
  }

  async #finish(): Promise<void> {
    const isDraining = this.standing.current.kind === "draining";
    if (isDraining) await pause(intakeGraceMs);
    this.standing.apply({ type: "intake-over" });
    const longest = this.configuration.UNDERSTUDY_STOP_TIMEOUT_MS - afterDrainMs;
    const drainMs = Math.min(
      isDraining ? this.settings.current.appServers.drainMs : shortDrainMs,
      Math.max(longest, 0),
    );
    const [isIdle] = await Promise.all([this.requests.idle(drainMs), this.hosted.work?.stop(drainMs)]);
    if (!isIdle)
      this.log.warn(
        { requests: this.requests.count, drainMs },
        "requests are cut off: they took longer than the drain",
      );
  }

  /** True when a message server heard it. */
  async #say(phase: "draining" | "left"): Promise<boolean> {
    for (let attempt = 1; attempt <= farewellAttempts && this.nats.connected; attempt++) {
      try {
        await call(this.nats.main, deregister, { instance: this.identity.ref, phase }, { timeoutMs: farewellMs });
        return true;
      } catch (error) {
        this.log.info({ phase, attempt, reason: (error as Error).message }, "the farewell was not heard");
        // A takeover may be under way.
        await pause(100 * attempt);
      }
    }
    return false;
  }
}
