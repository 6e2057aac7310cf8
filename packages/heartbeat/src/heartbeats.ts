/**
 * "I am here": this process's beats, and its answers to probes.
 *
 * It owns the beat timer, the sequence of the current incarnation and the probe subscriptions. Sent through every
 * lifeline, so that no single NATS node silences an instance.
 *
 * - H1. The sequence rises by one with each beat of an incarnation; all copies of a beat carry the same.
 * - H2. On a lifeline the subscription to probes precedes the first beat, so whoever heard a beat through a node can
 *   probe there without a false 503.
 * - H3. Beats go on while the service drains (`ready: false`) and end with the NATS connections: a drain is no silence.
 * - H4. A process that was frozen goes on with the next sequence: others learn from the gap, not from us.
 */
import { Inject, Injectable, Optional, type OnApplicationBootstrap } from "@nestjs/common";
import { beat, subjectOf, type Beat } from "@understudy/contracts";
import {
  CONFIGURATION,
  Identity,
  LOG,
  NatsConnections,
  Readiness,
  SettingsWatch,
  Shutdown,
  type Log,
} from "@understudy/runtime";
import { HostGauge } from "./host-gauge.ts";
import { ProbeAnswer } from "./probe-answer.ts";
import { ProcessGauge } from "./process-gauge.ts";

/** Injection token: tells how many requests and jobs are in work. */
export const LOAD = Symbol("LOAD");
/** Injection token: the settings whose `heartbeat.beatMs` is followed; may be undefined. */
export const SETTINGS = Symbol("SETTINGS");

export const defaultBeatMs = 250;

@Injectable()
export class Heartbeats implements OnApplicationBootstrap {
  readonly #host: HostGauge;
  readonly #process = new ProcessGauge();
  readonly #answer: ProbeAnswer;
  #sequence = 0;
  #beatMs = defaultBeatMs;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(Identity) private readonly identity: Identity,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(LOG) private readonly log: Log,
    @Inject(CONFIGURATION) configuration: { readonly UNDERSTUDY_DATA_DIR: string },
    @Inject(LOAD) private readonly load: () => number,
    @Optional() @Inject(SETTINGS) private readonly settings?: SettingsWatch,
  ) {
    this.#host = new HostGauge(configuration.UNDERSTUDY_DATA_DIR);
    this.#answer = new ProbeAnswer(identity);
  }

  onApplicationBootstrap(): Promise<void> {
    // H3: the last phase; NATS closes in it as well.
    this.shutdown.on("close-nats", "heartbeats", () => this.stop());
    return this.start();
  }

  async start(): Promise<void> {
    await this.#host.sample();
    this.#process.start();
    this.identity.onChange(() => {
      this.#sequence = 0;
      this.beatNow();
    });
    if (this.settings !== undefined) {
      this.setInterval(this.settings.current.heartbeat.beatMs);
      this.settings.onChange(({ heartbeat }) => this.setInterval(heartbeat.beatMs));
    }
    this.readiness.onChange(() => this.beatNow());
    this.nats.onLifeline((connection) => {
      this.#answer.on(connection); // H2
      this.beatNow();
    });
    this.#arm();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#process.stop();
    this.#answer.stop();
  }

  /** How often to beat from now on. */
  setInterval(beatMs: number): void {
    if (beatMs === this.#beatMs) return;
    this.#beatMs = beatMs;
    if (this.#timer !== undefined) this.#arm();
  }

  /** Sends a beat at once, beside the regular ones. */
  beatNow(): void {
    if (this.#timer === undefined) return;
    try {
      const text = JSON.stringify(this.#next());
      this.nats.publishEverywhere(subjectOf(beat, this.identity.id), text);
    } catch (error) {
      // The next beat may do better; one that throws must not end the timer's process.
      this.log.warn({ reason: (error as Error).message }, "a beat could not be sent");
    }
  }

  #arm(): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.beatNow(), this.#beatMs);
    this.beatNow();
  }

  #next(): Beat {
    return {
      instance: this.identity.full,
      sequence: this.#sequence++, // H1
      sentAt: Date.now(),
      ...this.#process.read(),
      load: this.load(),
      ready: this.readiness.ready,
      host: this.#host.read(),
    };
  }
}
