/**
 * Strikes parts of a running cluster, one after the other and at random moments, while clients place orders; then holds
 * what the clients were told against what the database has.
 *
 * Each round takes the next fault of a shuffled list, strikes at a random moment, and waits until everything runs
 * again. A fault counts only when it took effect, see `faults.ts`.
 */
import { loginOptions } from "@understudy/runtime/nats-login";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import {
  clusterStatus,
  databaseStatus,
  switchDatabase,
  switchover,
  type DatabaseTopology,
} from "@understudy/contracts";
import type { LocalCluster } from "@understudy/local";
import {
  checkConsistency,
  OrderLedger,
  OrderLoad,
  type LedgerReport,
  type OrderLoadReport,
  type Violation,
} from "@understudy/order-entry/testing";
import { call, createLog, createPool, Identity, ownerSettings, pause, type FailoverPool } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { BankLoad, type BankReport } from "./bank-load.ts";
import { parseFault, type Fault } from "./faults.ts";
import { checkFence, type FenceReport } from "./fence-checker.ts";
import { SeededRandom } from "./random.ts";

export interface CampaignOptions {
  readonly seed: number;
  /** How many of them. */
  readonly faults: number;
  /** Such as `kill leader`, `freeze app-server-a`, `cut machine-c`: taken in turn, shuffled anew each time round. */
  readonly repertoire: readonly string[];
  readonly clients: number;
  /** Pause of a client between two orders. */
  readonly pauseMs?: number;
  /** Longest time that a client waits for one answer before it repeats. */
  readonly attemptTimeoutMs?: number;
  readonly onFault?: (text: string) => void;
}

export interface Strike {
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  /** `7/28 kill postgres-a` */
  readonly text: string;
}

export interface CampaignReport {
  readonly seed: number;
  /** Faults that took effect. */
  readonly faults: number;
  readonly strikes: readonly Strike[];
  readonly takeovers: number;
  readonly load: OrderLoadReport;
  readonly ledger: LedgerReport;
  readonly unresolved: number;
  readonly consistency: readonly Violation[];
  readonly bank: BankReport;
  /** How often another PostgreSQL instance became primary. */
  readonly failovers: number;
  readonly fence: FenceReport;
  readonly slowestMs: number;
}

const mostWaitMs = 1_000;
// Longer than lostAfterMs, shorter than the lease's silence and the 30-second rule.
const standStillMs = { least: 3_500, most: 6_000 };

export class Campaign {
  readonly #random: SeededRandom;
  readonly #strikes: Strike[] = [];
  #connection: NatsConnection | undefined;

  constructor(
    private readonly cluster: LocalCluster,
    private readonly options: CampaignOptions,
  ) {
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<CampaignReport> {
    this.#connection = await connect({
      servers: this.cluster.natsServers.map(({ url }) => url),
      ...loginOptions(this.cluster.natsLogin()),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      ignoreClusterUpdates: true,
      pingInterval: 1_000,
      maxPingOut: 2,
    });
    const pool = this.#pool();
    const bank = new BankLoad({
      pool,
      clients: Math.ceil(this.options.clients / 2),
      readers: 1,
      accounts: 20,
      seed: this.options.seed,
      pauseMs: this.options.pauseMs ?? 10,
    });
    const ledger = new OrderLedger();
    const load = new OrderLoad({
      url: this.cluster.url,
      clients: this.options.clients,
      ledger,
      ...(this.options.pauseMs !== undefined && { pauseMs: this.options.pauseMs }),
      ...(this.options.attemptTimeoutMs !== undefined && { attemptTimeoutMs: this.options.attemptTimeoutMs }),
    });
    try {
      await this.#whole();
      const firstTerm = (await this.#leader()).term;
      const firstTimeline = (await this.#database()).timeline;
      await Promise.all([load.start(), bank.start()]);
      const faults = await this.#strikeAll();
      await pause(500);
      const report = await load.stop();
      const unresolved = await load.resolveOpen();
      const bankReport = await bank.stop();
      const consistency = await checkConsistency(pool);
      return {
        seed: this.options.seed,
        faults,
        strikes: this.#strikes,
        takeovers: (await this.#leader()).term - firstTerm,
        load: report,
        ledger: await ledger.check(pool),
        unresolved,
        consistency,
        bank: bankReport,
        failovers: (await this.#database()).timeline - firstTimeline,
        fence: await checkFence(pool, this.#connection),
        slowestMs: report.latencyMs.max,
      };
    } finally {
      await pool.end();
      await this.#connection.close();
    }
  }

  async #strikeAll(): Promise<number> {
    let effective = 0;
    let round: string[] = [];
    for (let index = 0; index < this.options.faults; index++) {
      if (round.length === 0) round = this.#random.shuffled(this.options.repertoire);
      const fault = parseFault(round.pop() ?? "");
      await pause(this.#random.between(0, mostWaitMs));
      const target = await this.#resolve(fault.target);
      const text = `${index + 1}/${this.options.faults} ${fault.action} ${target}`;
      this.#strikes.push({ at: Date.now(), text });
      const tookEffect = await this.#strike({ ...fault, target });
      if (tookEffect) effective += 1;
      this.options.onFault?.(tookEffect ? text : `${text}: without effect`);
    }
    return effective;
  }

  /** True when it took effect. */
  async #strike({ action, target }: Fault): Promise<boolean> {
    const pids = () => new Map(this.cluster.processes.map(({ id, pid }) => [id, pid]));
    const before = pids();
    const termBefore = (await this.#leader()).term;
    switch (action) {
      case "kill": {
        const { affected } = await this.cluster.control("kill", target);
        await this.#whole();
        const after = pids();
        return affected.length > 0 && affected.every((id) => before.get(id) !== after.get(id));
      }
      case "terminate": {
        const pid = before.get(target);
        if (typeof pid !== "number") return false;
        process.kill(pid, "SIGTERM");
        await eventually(() => pids().get(target) !== pid, {
          withinMs: 40_000,
          describe: `${target} ended on SIGTERM`,
        });
        await this.#whole();
        return true;
      }
      case "freeze":
      case "cut": {
        const { affected } = await this.cluster.control(action, target);
        await pause(this.#random.between(standStillMs.least, standStillMs.most));
        await this.cluster.control(action === "freeze" ? "thaw" : "heal", target);
        await this.#whole();
        return affected.length > 0;
      }
      case "switchover": {
        if (target === "db") {
          const { primary } = await this.#database();
          const { name } = this.#databaseName();
          await call(this.#client, switchDatabase, { database: name }, { timeoutMs: 30_000 });
          await this.#whole();
          return (await this.#database()).primary !== primary;
        }
        await call(this.#client, switchover, {}, { timeoutMs: 10_000 });
        await this.#whole();
        return (await this.#leader()).term > termBefore;
      }
    }
  }

  async #resolve(target: string): Promise<string> {
    const [part, of] = target.split("-");
    if (part === "primary" || part === "standby") {
      const { primary, members } = await this.#database();
      const member = part === "primary" ? primary : members.find(({ id }) => id !== primary)?.id;
      const letter = member?.slice(member.lastIndexOf("-") + 1);
      if (member === undefined || letter === undefined) throw new Error(`there is no ${part} to strike`);
      return of === undefined ? member : of === "keeper" ? `db-keeper-${letter}` : `machine-${letter}`;
    }
    if (target !== "leader" && target !== "alternate") return target;
    const leader = (await this.#leader()).holder.id;
    if (target === "leader") return leader;
    return this.cluster.processes.find(({ id, kind }) => kind === "message-server" && id !== leader)?.id ?? leader;
  }

  get #client(): NatsConnection {
    if (this.#connection === undefined) throw new Error("the campaign has no connection");
    return this.#connection;
  }

  /** As a service on machine C has it: through the links, so that cuts reach it. */
  #pool(): FailoverPool {
    return createPool(
      // As the owner: the load makes tables of its own.
      ownerSettings(this.cluster.databaseSettings("machine-c", this.options.clients)),
      new Identity({ kind: "db-pool", id: "drill", cluster: "understudy", site: "site-1", machine: "machine-c" }),
      { assertsStanding: false },
      createLog("silent", "json", {}),
    );
  }

  #databaseName(): { readonly name: string } {
    return { name: this.cluster.plan.settings.database };
  }

  async #database(): Promise<DatabaseTopology> {
    const { databases } = await eventually(() => call(this.#client, databaseStatus, {}, { timeoutMs: 1_000 }), {
      withinMs: 30_000,
      describe: "a db-pool answers",
    });
    const [database] = databases;
    if (database === undefined) throw new Error("no database is watched");
    return database;
  }

  #leader() {
    return eventually(async () => (await this.#status()).leader, {
      withinMs: 30_000,
      describe: "a message server leads",
    });
  }

  async #streamsBehind(): Promise<string[]> {
    const manager = await jetstreamManager(this.#client, { timeout: 1_000 });
    const behind: string[] = [];
    for await (const { config, cluster } of manager.streams.list()) {
      const copies = cluster?.replicas?.filter(({ current, offline }) => current && !offline).length ?? 0;
      if (cluster?.leader === undefined || copies < config.num_replicas - 1) behind.push(config.name);
    }
    return behind;
  }

  #status() {
    return call(this.#client, clusterStatus, {}, { timeoutMs: 1_000 });
  }

  /**
   * Everything runs, an alternate is ready, every app server is accepting, the standby is in sync, and each stream of NATS
   * has all its copies.
   */
  async #whole(): Promise<void> {
    const lacks = async (): Promise<readonly string[]> => {
      const { processes } = this.cluster;
      const { appServers, instances, leader } = await this.#status();
      const { primary, members, degradedSince } = await this.#database();
      const behind = await this.#streamsBehind();
      const hasAlternate = instances.some(
        ({ instance, ready, verdict }) =>
          instance.kind === "message-server" && instance.id !== leader.holder.id && ready && verdict === "alive",
      );
      return [
        ...processes.filter(({ state }) => state !== "running").map(({ id, state }) => `${id} is ${state}`),
        ...processes
          .filter(({ kind }) => kind === "app-server")
          .map(({ id }) => ({ id, state: appServers.find(({ instance }) => instance.id === id)?.state ?? "unknown" }))
          .filter(({ state }) => state !== "accepting")
          .map(({ id, state }) => `${id} is ${state} to the message server`),
        ...(hasAlternate ? [] : ["no message server is a ready alternate"]),
        ...(primary === undefined ? ["the database has no primary"] : []),
        ...(degradedSince === undefined ? [] : [`the database is degraded since ${degradedSince}`]),
        ...members.filter(({ inSync }) => !inSync).map((member) => `not in sync: ${JSON.stringify(member)}`),
        ...behind.map((name) => `the stream ${name} lacks a leader or a copy`),
      ];
    };
    await eventually(
      async () => {
        const lacking = await lacks();
        if (lacking.length > 0) throw new Error(`It is not: ${lacking.join("; ")}`);
        return true;
      },
      { withinMs: 90_000, describe: "the cluster is whole again" },
    );
  }
}
