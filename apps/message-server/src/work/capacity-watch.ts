/**
 * N-1: says what would be too little if any one machine were lost, before it happens. Keeps what each queue usually needs,
 * as a moving mean of what ran, for as long as this process leads; a new leader begins with what it sees first.
 */
import { Inject, Injectable } from "@nestjs/common";
import { lossWarnings, overloadedServers, type LeaderTerm, type WorkQueueSettings } from "@understudy/contracts";
import { OnLeadership, OnLeadershipLost } from "@understudy/leadership";
import { LOG, SettingsWatch, workQueueSchema, type Log } from "@understudy/runtime";
import { Gauge } from "prom-client";
import { LeaderDatabase } from "../database/leader-database.ts";
import { Registry } from "../registry/registry.ts";

const sampleEveryMs = 5_000;
/** Some two minutes of the past count. */
const weightOfNew = 0.05;

const warningGauge = new Gauge({
  name: "understudy_message_server_capacity_warnings",
  help: "What would be too little if any one machine were lost; the words stand in the status.",
});

@Injectable()
export class CapacityWatch {
  #load: Record<string, number> = {};
  #timer: NodeJS.Timeout | undefined;
  #told = "";

  constructor(
    @Inject(Registry) private readonly registry: Registry,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(LeaderDatabase) private readonly database: LeaderDatabase,
    @Inject(LOG) private readonly log: Log,
  ) {}

  @OnLeadership("work")
  start(_leader: LeaderTerm, signal: AbortSignal): void {
    this.#load = {};
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#sample(), sampleEveryMs);
    signal.addEventListener("abort", () => clearInterval(this.#timer), { once: true });
    void this.#sample();
  }

  @OnLeadershipLost()
  stop(): void {
    clearInterval(this.#timer);
  }

  get warnings(): string[] {
    return this.warningsFor(this.settings.current.workQueues);
  }

  /** What these settings would mean for the servers that are there. */
  warningsFor(settings: WorkQueueSettings): string[] {
    const servers = this.#servers();
    return [...overloadedServers(settings, servers), ...lossWarnings(settings, servers, this.#load)];
  }

  /** Servers of which these settings ask more workers than they bear, and the present ones did not. */
  newlyOverloaded(settings: WorkQueueSettings): string[] {
    const servers = this.#servers();
    const before = overloadedServers(this.settings.current.workQueues, servers);
    return overloadedServers(settings, servers).filter((fault) => !before.includes(fault));
  }

  #servers() {
    return this.registry.servers
      .filter(({ state }) => state === "accepting" || state === "suspect" || state === "draining")
      .map(({ instance: { id, machine }, cpus }) => ({ id, machine, cpus }));
  }

  async #sample(): Promise<void> {
    try {
      // Both counts come from indexes that hold nothing else.
      const { rows } = await this.database.pool.query<{ name: string; running: number }>(
        `SELECT k.name, CASE k.kind
                  WHEN 'services' THEN (SELECT count(*)::integer FROM ${workQueueSchema}.service s WHERE s.queue = k.id AND NOT s.paused)
                  ELSE coalesce(r.running, 0) END AS running
           FROM ${workQueueSchema}.queue k
           LEFT JOIN (SELECT queue, count(*)::integer AS running FROM ${workQueueSchema}.job
                       WHERE state = 'running' GROUP BY queue) r ON r.queue = k.id`,
      );
      this.#load = Object.fromEntries(
        rows.map(({ name, running }) => {
          const before = this.#load[name] ?? running;
          return [name, before + (running - before) * weightOfNew];
        }),
      );
    } catch (error) {
      this.log.debug({ reason: (error as Error).message }, "the queues' load was not read");
    }
    const { warnings } = this;
    warningGauge.set(warnings.length);
    const words = warnings.join("; ");
    if (words !== this.#told && words !== "") this.log.warn({ warnings }, "too little would be left without a machine");
    this.#told = words;
  }
}
