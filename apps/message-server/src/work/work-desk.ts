/**
 * The message server's word about background work, while it leads and its term stands in the database (L2):
 *
 * - Q1. An incarnation that was declared lost (the verdict stands in PostgreSQL first) loses its jobs and services in one
 *   statement, fenced by the term. What an open transaction of it still had locked is taken as soon as that has ended.
 * - Services are placed on app servers that take work, each on another machine as far as possible, and moved when their
 *   server is lost or drained (service-placement.ts).
 * - What a leader began and its death interrupted is found again by looking: holders that live in the work queue and whose
 *   standing is over.
 *
 * It looks every `lookEveryMs`, and at once when the registry changes. One look at a time.
 */
import { Inject, Injectable } from "@nestjs/common";
import { slotsOf, type InstanceRef, type LeaderTerm } from "@understudy/contracts";
import { Elector, OnLeadership, OnLeadershipLost } from "@understudy/leadership";
import { LOG, pause, SettingsWatch, workQueueSchema, type Log } from "@understudy/runtime";
import { WorkQueue, type ServiceRecord } from "@understudy/work-queue";
import { LeaderDatabase } from "../database/leader-database.ts";
import { Registry } from "../registry/registry.ts";
import { Suspicions } from "../registry/suspicions.ts";
import { placeServices, type FreeServer, type KnownService } from "./service-placement.ts";

const lookEveryMs = 1_000;
const takeAgainMs = 200;
const takeAgainAtMost = 25;

@Injectable()
export class WorkDesk {
  #term: { readonly leader: LeaderTerm; readonly signal: AbortSignal } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #lookAgain = false;

  constructor(
    @Inject(Elector) private readonly elector: Elector,
    @Inject(Registry) private readonly registry: Registry,
    @Inject(Suspicions) private readonly suspicions: Suspicions,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(LeaderDatabase) private readonly database: LeaderDatabase,
    @Inject(WorkQueue) private readonly queue: WorkQueue,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.registry.onChange(() => this.look());
  }

  @OnLeadership("work")
  start(leader: LeaderTerm, signal: AbortSignal): void {
    this.#term = { leader, signal };
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.look(), lookEveryMs);
    signal.addEventListener("abort", () => clearInterval(this.#timer), { once: true });
    this.look();
  }

  @OnLeadershipLost()
  stop(): void {
    clearInterval(this.#timer);
    this.#term = undefined;
  }

  /**
   * Q1, after the verdict was written. Returns words for the history.
   * @throws what the database throws; trying again is right.
   */
  async lose(leader: LeaderTerm, instance: InstanceRef, reason: string): Promise<string> {
    const taken = await this.queue.holders.loseHolder(instance.incarnation, { term: leader.term, reason });
    if (!taken.isAccepted) return "";
    if (taken.remaining > 0) void this.#takeRest(leader, instance, reason);
    this.look();
    const words = [
      [taken.requeued, "queued again"],
      [taken.aborted, "aborted"],
      [taken.cancelled, "cancelled"],
      [taken.failed, "failed"],
      [taken.services, taken.services === 1 ? "service free" : "services free"],
    ] as const;
    const told = words.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
    if (told.length === 0) return "";
    this.log.info({ instance: instance.id, incarnation: instance.incarnation, ...taken }, "its work was taken away");
    return `; of its work ${told.join(", ")}`;
  }

  /** Rows that an open transaction had locked: its session was ended, so soon. */
  async #takeRest(leader: LeaderTerm, { incarnation }: InstanceRef, reason: string): Promise<void> {
    for (let tries = 0; tries < takeAgainAtMost && this.elector.leading?.term === leader.term; tries++) {
      await pause(takeAgainMs);
      const taken = await this.queue.holders
        .loseHolder(incarnation, { term: leader.term, reason })
        .catch(() => undefined);
      if (taken !== undefined && (!taken.isAccepted || taken.remaining === 0)) return;
    }
  }

  /** At once, or again after the look that is under way. */
  look(): void {
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#lookWhileAsked().finally(() => (this.#isLooking = false));
  }

  async #lookWhileAsked(): Promise<void> {
    while (this.#lookAgain) {
      this.#lookAgain = false;
      const term = this.#term;
      if (term === undefined || term.signal.aborted || !this.database.isCommitted(term.leader)) return;
      try {
        await this.#finishVerdicts(term.leader);
        await this.#place(term.leader);
      } catch (error) {
        this.log.debug({ reason: (error as Error).message }, "background work was not looked after");
      }
    }
  }

  /** Verdicts and farewells that the work queue has not heard of. */
  async #finishVerdicts(leader: LeaderTerm): Promise<void> {
    const { rows } = await this.database.pool.query<{ incarnation: string; id: string; reason: string }>(
      `SELECT h.incarnation, h.id,
              CASE s.standing WHEN 'left' THEN h.id || ' has left.' ELSE h.id || ' was declared lost: ' || s.reason END AS reason
         FROM ${workQueueSchema}.holder h JOIN understudy.instance_standing s ON s.incarnation = h.incarnation
        WHERE h.standing = 'live' AND s.standing <> 'accepted'`,
    );
    for (const { incarnation, id, reason } of rows) {
      if (this.elector.leading?.term !== leader.term) return; // L8
      await this.lose(leader, { id, incarnation }, reason);
    }
  }

  async #place(leader: LeaderTerm): Promise<void> {
    const services = await this.queue.services.list();
    if (services.length === 0) return;
    const live = await this.database.pool.query<{ incarnation: string }>(
      `SELECT incarnation FROM ${workQueueSchema}.holder WHERE standing = 'live'`,
    );
    const holders = new Set(live.rows.map(({ incarnation }) => incarnation));
    for (const move of placeServices(servicesOf(services, holders), this.#freeServers(holders))) {
      if (this.elector.leading?.term !== leader.term) return; // L8
      if (!(await this.queue.services.place(move.name, { ...move, term: leader.term }))) return;
      this.log.info(
        { service: move.name, appServer: move.placedOn, handsOver: move.successor !== undefined },
        "placed",
      );
    }
  }

  #freeServers(holders: ReadonlySet<string>): FreeServer[] {
    const { workQueues } = this.settings.current;
    return this.registry.servers
      .filter(
        ({ state, instance: { incarnation } }) =>
          state === "accepting" && holders.has(incarnation) && !this.suspicions.has(incarnation),
      )
      .map(({ instance: { id, machine, incarnation } }) => ({
        id,
        machine,
        incarnation,
        slots: Object.fromEntries(workQueues.queues.map(({ name }) => [name, slotsOf(workQueues, id, name)])),
      }));
  }
}

/** A holder that is lost, or a successor that never comes, is none. */
const servicesOf = (services: readonly ServiceRecord[], holders: ReadonlySet<string>): KnownService[] =>
  services.map(({ name, queue, isPaused, placedOn, incarnation, successor }) => ({
    name,
    queue,
    isPaused,
    ...(placedOn !== undefined && { placedOn }),
    ...(incarnation !== undefined && holders.has(incarnation) && { incarnation }),
    ...(successor !== undefined && { successor }),
  }));
