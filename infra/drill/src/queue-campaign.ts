/**
 * Kills and freezes app servers while they run jobs, with other parts struck at the same moment, and holds what became of
 * every job against what its kind promises (Q1 to Q3):
 *
 * - a restartable job ends completed and its effect, committed with its completion, stands there once;
 * - one that is not restartable ends completed with its effect, or aborted with the reason and without: restarted by hand it
 *   leaves its effect once;
 * - no job stays with an incarnation that is gone for longer than 15 s;
 * - terms of the watching service never fall, so no two instances had effects at once.
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import {
  clusterStatus,
  databaseStatus,
  getConfiguration,
  setConfiguration,
  type ClusterSettings,
} from "@understudy/contracts";
import type { LocalCluster } from "@understudy/local";
import { drillSleep, drillSleepOnce } from "@understudy/order-entry/testing";
import { call, createLog, createPool, Identity, pause, workQueueSchema, type FailoverPool } from "@understudy/runtime";
import { loginOptions } from "@understudy/runtime/nats-login";
import { eventually } from "@understudy/testkit";
import { WorkQueue } from "@understudy/work-queue";
import { randomUUID } from "node:crypto";
import { SeededRandom } from "./random.ts";

export interface QueueCampaignOptions {
  readonly seed: number;
  /** App servers that are struck, one after the other. */
  readonly strikes: number;
  /** How many of them are frozen and thawed after their verdict instead of killed: every n-th; 0: none. */
  readonly freezeEvery: number;
  /** What else is struck in the same moment, in turn: leader, primary, nats. Every fourth strike stays alone. */
  readonly meanwhile: readonly ("leader" | "primary" | "nats")[];
  /** Jobs that each app server runs when it is struck. */
  readonly jobsEach: number;
  readonly onStrike?: (text: string) => void;
}

export interface QueueCampaignReport {
  readonly seed: number;
  readonly kills: number;
  readonly freezes: number;
  readonly alsoStruck: Readonly<Record<string, number>>;
  readonly jobs: number;
  /** Running on the struck server when it was struck. */
  readonly struck: number;
  readonly abortedThenRestarted: number;
  /** From the strike until nothing was left with the gone incarnation. */
  readonly takenAwayMs: readonly number[];
  /** From the strike until the service ran elsewhere, where it had run on the struck server. */
  readonly serviceMovedMs: readonly number[];
  readonly watches: number;
  readonly violations: readonly string[];
}

const servers = ["app-server-a", "app-server-b", "app-server-c"] as const;
const longestLockedMs = 15_000;
const wholeWithinMs = 120_000;

interface Planned {
  readonly id: string;
  readonly restartable: boolean;
}

export class QueueCampaign {
  readonly #random: SeededRandom;
  readonly #jobs: Planned[] = [];
  readonly #violations: string[] = [];
  readonly #takenAwayMs: number[] = [];
  readonly #serviceMovedMs: number[] = [];
  readonly #also: Record<string, number> = {};
  #struck = 0;
  #kills = 0;
  #freezes = 0;

  private constructor(
    private readonly cluster: LocalCluster,
    private readonly options: QueueCampaignOptions,
    private readonly nats: NatsConnection,
    private readonly pool: FailoverPool,
    private readonly queue: WorkQueue,
  ) {
    this.#random = new SeededRandom(options.seed);
  }

  static async run(cluster: LocalCluster, options: QueueCampaignOptions): Promise<QueueCampaignReport> {
    const nats = await connect({
      servers: cluster.natsServers.map(({ url }) => url),
      ...loginOptions(cluster.natsLogin()),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      ignoreClusterUpdates: true,
      pingInterval: 1_000,
      maxPingOut: 2,
    });
    const pool = poolOf(cluster);
    const queue = new WorkQueue({ pool, schema: workQueueSchema });
    try {
      return await new QueueCampaign(cluster, options, nats, pool, queue).#run();
    } finally {
      await pool.end();
      await nats.close();
    }
  }

  async #run(): Promise<QueueCampaignReport> {
    await this.#whole();
    await this.#setConcurrency(this.options.jobsEach);
    for (let strike = 0; strike < this.options.strikes; strike++) await this.#strike(strike);
    const abortedThenRestarted = await this.#settle();
    const watches = await this.#checkService();
    return {
      seed: this.options.seed,
      kills: this.#kills,
      freezes: this.#freezes,
      alsoStruck: this.#also,
      jobs: this.#jobs.length,
      struck: this.#struck,
      abortedThenRestarted,
      takenAwayMs: this.#takenAwayMs,
      serviceMovedMs: this.#serviceMovedMs,
      watches,
      violations: this.#violations,
    };
  }

  /** Also shows that the workers change without a restart. */
  async #setConcurrency(concurrency: number): Promise<void> {
    const { settings } = await this.#patiently(() => call(this.nats, getConfiguration, {}));
    const { workQueues } = settings.settings;
    const workers = workQueues.workers.map((entry) =>
      entry.queue === "USERJOBS" ? Object.assign({}, entry, { workers: 1, concurrency }) : entry,
    );
    const changed: ClusterSettings = { ...settings.settings, workQueues: { ...workQueues, workers } };
    const change = { expectedVersion: settings.version, changeId: randomUUID(), changedBy: "drill", settings: changed };
    await this.#patiently(() => call(this.nats, setConfiguration, change));
  }

  async #strike(strike: number): Promise<void> {
    const { freezeEvery, meanwhile, jobsEach } = this.options;
    const isFreeze = freezeEvery > 0 && strike % freezeEvery === freezeEvery - 1;
    const victim = servers[strike % servers.length] ?? servers[0];
    const also = strike % 4 === 3 || meanwhile.length === 0 ? undefined : meanwhile[strike % meanwhile.length];
    const incarnation = await this.#incarnationOf(victim);
    await this.#enqueue(jobsEach * servers.length);
    const running = () => this.#count("j.holder = $1 AND j.state = 'running'", [incarnation]);
    await eventually(async () => (await running()) >= Math.ceil(jobsEach / 2), {
      withinMs: 30_000,
      describe: `${victim} runs jobs`,
    });
    const struck = await running();
    this.#struck += struck;
    const hadService = await this.#serviceHolder();
    const startedAt = performance.now();
    const startedAtWall = Date.now();
    const acts = [this.cluster.control(isFreeze ? "freeze" : "kill", victim)];
    if (also !== undefined) {
      this.#also[also] = (this.#also[also] ?? 0) + 1;
      acts.push(this.cluster.control("kill", await this.#target(also)));
    }
    await Promise.all(acts);
    if (isFreeze) this.#freezes++;
    else this.#kills++;
    const seenMs = await this.#until(startedAt, async () => (await running()) === 0, 60_000);
    // We may be among those who wait for the database; it knows when it happened. One computer, one clock.
    const takenMs = Math.min(seenMs, (await this.#takenAt(incarnation)) - startedAtWall);
    this.#takenAwayMs.push(takenMs);
    if (takenMs > longestLockedMs)
      this.#violations.push(`strike ${strike}: jobs stayed with ${victim} for ${Math.round(takenMs)} ms`);
    if (hadService === incarnation) {
      const movedMs = await this.#until(
        startedAt,
        async () => ![undefined, incarnation].includes(await this.#serviceHolder()),
        60_000,
      );
      this.#serviceMovedMs.push(movedMs);
    }
    if (isFreeze) {
      // Its handlers wake up now, and find that everything of theirs is somebody else's.
      await pause(this.#random.between(500, 2_000));
      await this.cluster.control("thaw", victim);
    }
    this.options.onStrike?.(
      `${strike + 1}/${this.options.strikes} ${isFreeze ? "freeze" : "kill"} ${victim}${also === undefined ? "" : ` and kill ${also}`}: ${struck} jobs, taken away in ${Math.round(takenMs)} ms`,
    );
    await this.#whole();
  }

  async #enqueue(count: number): Promise<void> {
    const many = async (definition: typeof drillSleep, restartable: boolean, of: number) => {
      const payloads = Array.from({ length: of }, () => ({
        ms: this.#random.between(3_000, 6_000),
        effect: randomUUID(),
      }));
      const ids = await this.queue.enqueueMany(definition, payloads);
      this.#jobs.push(...ids.map((id) => ({ id, restartable })));
    };
    await many(drillSleep, true, Math.ceil(count / 2));
    await many(drillSleepOnce, false, Math.floor(count / 2));
  }

  /** Waits until everything is over, restarts by hand what was aborted, and counts effects. */
  async #settle(): Promise<number> {
    await this.#allOver();
    const aborted: string[] = [];
    const effects = await this.#effects();
    for (const { id, restartable } of this.#jobs) {
      const job = await this.queue.jobs.get(id);
      const times = effects.get(id) ?? 0;
      if (job === undefined) this.#violations.push(`job ${id} is gone`);
      else if (job.state === "completed") {
        if (times !== 1) this.#violations.push(`job ${id} is completed and has ${times} effects`);
      } else if (job.state === "aborted" && !restartable) {
        if (times !== 0) this.#violations.push(`job ${id} was aborted and has ${times} effects`);
        if (job.reason === undefined) this.#violations.push(`job ${id} was aborted without a reason`);
        aborted.push(id);
      } else this.#violations.push(`job ${id} (restartable: ${restartable}) is ${job.state}: ${job.reason ?? ""}`);
    }
    for (const id of aborted) await this.queue.jobs.restart(id);
    await this.#allOver();
    const after = await this.#effects();
    for (const id of aborted) {
      const job = await this.queue.jobs.get(id);
      if (job?.state !== "completed" || after.get(id) !== 1)
        this.#violations.push(`job ${id}, restarted by hand, is ${job?.state} with ${after.get(id) ?? 0} effects`);
    }
    return aborted.length;
  }

  #allOver(): Promise<unknown> {
    const ids = this.#jobs.map(({ id }) => id);
    return eventually(
      async () =>
        (await this.#count("j.id = ANY ($1) AND j.state IN ('queued', 'delayed', 'waiting', 'running')", [ids])) === 0,
      { withinMs: 180_000, describe: "all jobs are over" },
    );
  }

  async #effects(): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.pool.query<{ job_id: string; times: number }>(
      "SELECT job_id, count(*)::integer AS times FROM public.drill_effects WHERE job_id = ANY ($1) GROUP BY job_id",
      [this.#jobs.map(({ id }) => id)],
    );
    return new Map(rows.map(({ job_id: id, times }) => [id, times]));
  }

  async #checkService(): Promise<number> {
    const { rows } = await this.pool.query<{ term: string; holders: number }>(
      `SELECT term, count(DISTINCT incarnation)::integer AS holders, min(id::text) AS first, max(id::text) AS last
         FROM order_entry.stock_watches GROUP BY term ORDER BY min(watched_at)`,
    );
    let before = 0n;
    for (const { term, holders } of rows) {
      if (BigInt(term) < before) this.#violations.push(`the service had effects under term ${term} after ${before}`);
      if (holders > 1) this.#violations.push(`the service had effects of ${holders} instances under term ${term}`);
      before = BigInt(term);
    }
    const overlap = await this.#scalar(
      `SELECT count(*)::integer AS count FROM order_entry.stock_watches one JOIN order_entry.stock_watches other
        ON one.term < other.term AND one.watched_at > other.watched_at`,
      [],
    );
    if (overlap > 0) this.#violations.push(`${overlap} effects of the service came after those of a later term`);
    return this.#scalar("SELECT count(*)::integer AS count FROM order_entry.stock_watches", []);
  }

  #count(condition: string, values: unknown[]): Promise<number> {
    return this.#scalar(`SELECT count(*)::integer AS count FROM ${workQueueSchema}.job j WHERE ${condition}`, values);
  }

  async #scalar(text: string, values: unknown[]): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(text, values);
    return rows[0]?.count ?? 0;
  }

  /** Wall clock of the verdict, or of the last job that it aborted. */
  async #takenAt(incarnation: string): Promise<number> {
    const { rows } = await this.pool.query<{ at: number | null }>(
      `SELECT (extract(epoch FROM greatest(h.changed_at, (SELECT max(j.ended_at) FROM ${workQueueSchema}.job j
                WHERE j.holder = h.incarnation AND j.state = 'aborted'))) * 1000)::double precision AS at
         FROM ${workQueueSchema}.holder h WHERE h.incarnation = $1 AND h.standing = 'lost'`,
      [incarnation],
    );
    return rows[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  async #serviceHolder(): Promise<string | undefined> {
    return (await this.queue.services.list())[0]?.incarnation;
  }

  async #incarnationOf(id: string): Promise<string> {
    const { appServers } = await this.#patiently(() => call(this.nats, clusterStatus, {}));
    const found = appServers.find(({ instance, state }) => instance.id === id && state === "accepting");
    if (found === undefined) throw new Error(`${id} is not accepting`);
    return found.instance.incarnation;
  }

  async #target(what: "leader" | "primary" | "nats"): Promise<string> {
    if (what === "nats") return ["nats-a", "nats-b", "nats-c"][this.#random.between(0, 2)] ?? "nats-a";
    if (what === "leader") return (await this.#patiently(() => call(this.nats, clusterStatus, {}))).leader.holder.id;
    const { databases } = await this.#patiently(() => call(this.nats, databaseStatus, {}));
    return databases[0]?.primary ?? "postgres-a";
  }

  /** Milliseconds since `startedAt`. */
  async #until(startedAt: number, isTrue: () => Promise<boolean>, withinMs: number): Promise<number> {
    while (performance.now() - startedAt < withinMs) {
      if (await isTrue()) break;
      await pause(20);
    }
    return performance.now() - startedAt;
  }

  /** Through takeovers. */
  #patiently<Reply>(ask: () => Promise<Reply>): Promise<Reply> {
    return eventually(ask, { withinMs: 60_000, describe: "the cluster answers" });
  }

  async #whole(): Promise<void> {
    await eventually(
      async () => {
        if (this.cluster.processes.some(({ state }) => state !== "running")) return false;
        const { appServers } = await this.#patiently(() => call(this.nats, clusterStatus, {}));
        const { databases } = await this.#patiently(() => call(this.nats, databaseStatus, {}));
        const isProtected = databases.every(
          ({ primary, degradedSince, members }) =>
            primary !== undefined && degradedSince === undefined && members.every(({ inSync }) => inSync),
        );
        const live = await this.#scalar(
          `SELECT count(DISTINCT id)::integer AS count FROM ${workQueueSchema}.holder WHERE standing = 'live'`,
          [],
        );
        const accepting = appServers.filter(({ state }) => state === "accepting").length;
        return isProtected && accepting === servers.length && live === servers.length;
      },
      { withinMs: wholeWithinMs, describe: "the cluster is whole again" },
    );
  }
}

/** As a service on machine C has it, through the links. */
function poolOf(cluster: LocalCluster): FailoverPool {
  return createPool(
    cluster.databaseSettings("machine-c", 4),
    new Identity({ kind: "db-pool", id: "drill", cluster: "understudy", site: "site-1", machine: "machine-c" }),
    { assertsStanding: false, holdMaxMs: 60_000 },
    createLog("silent", "json", {}),
  );
}

const percentile = (values: readonly number[], part: number): string => {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted.length === 0 ? "-" : `${Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0)} ms`;
};

export const isQueueFaultless = (report: QueueCampaignReport): boolean => report.violations.length === 0;

/** In words. */
export function describeQueueCampaign(report: QueueCampaignReport): string {
  const { takenAwayMs: taken, serviceMovedMs: moved, alsoStruck } = report;
  const also = Object.entries(alsoStruck).map(([what, count]) => `${what} ${count}`);
  return [
    `seed ${report.seed}: ${report.kills} app servers killed, ${report.freezes} frozen and thawed; at the same moment killed: ${also.join(", ") || "nothing else"}`,
    `jobs: ${report.jobs}, of which ${report.struck} ran on the struck server; ${report.abortedThenRestarted} aborted and restarted by hand`,
    `taken away: median ${percentile(taken, 0.5)}, p95 ${percentile(taken, 0.95)}, longest ${percentile(taken, 1)}`,
    `service elsewhere: ${moved.length} times, median ${percentile(moved, 0.5)}, longest ${percentile(moved, 1)}; ${report.watches} effects, no two instances at once`,
    report.violations.slice(0, 20).join("\n") || "every effect exactly once",
  ].join("\n");
}
