/**
 * Kills parts of a running cluster, one after the other and at random moments, while clients place orders; then holds
 * what the clients were told against what the database has.
 *
 * Each round takes the next target of a shuffled list, strikes at a random moment, and waits until everything runs
 * again. A fault counts only when it took effect: the process that was struck is gone (or stood still).
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { clusterStatus } from "@understudy/contracts";
import type { LocalCluster } from "@understudy/local";
import {
  checkConsistency,
  OrderLedger,
  OrderLoad,
  type LedgerReport,
  type OrderLoadReport,
  type Violation,
} from "@understudy/order-entry/testing";
import { call, pause } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { Pool } from "pg";
import { checkFence, type FenceReport } from "./fence-checker.ts";
import { SeededRandom } from "./random.ts";

export interface CampaignOptions {
  readonly seed: number;
  /** How many faults. */
  readonly faults: number;
  /** Struck in turn; `leader` and `alternate` are whoever that is at the moment. */
  readonly targets: readonly string[];
  readonly clients: number;
  /** Pause of a client between two orders. */
  readonly pauseMs?: number;
  readonly onFault?: (text: string) => void;
}

export interface CampaignReport {
  readonly seed: number;
  /** Faults that took effect. */
  readonly faults: number;
  readonly takeovers: number;
  readonly load: OrderLoadReport;
  readonly ledger: LedgerReport;
  readonly unresolved: number;
  readonly consistency: readonly Violation[];
  readonly fence: FenceReport;
  readonly slowestMs: number;
}

const mostWaitMs = 1_000;

export class Campaign {
  readonly #random: SeededRandom;
  #connection: NatsConnection | undefined;

  constructor(
    private readonly cluster: LocalCluster,
    private readonly options: CampaignOptions,
  ) {
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<CampaignReport> {
    const { user, password } = this.cluster.natsCredentials;
    this.#connection = await connect({
      servers: this.cluster.natsServers.map(({ url }) => url),
      user,
      pass: password,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      ignoreClusterUpdates: true,
      pingInterval: 1_000,
      maxPingOut: 2,
    });
    const pool = new Pool({ connectionString: this.cluster.databaseUrl, max: 2 });
    pool.on("error", () => undefined);
    const ledger = new OrderLedger();
    const load = new OrderLoad({
      url: this.cluster.url,
      clients: this.options.clients,
      ledger,
      ...(this.options.pauseMs !== undefined && { pauseMs: this.options.pauseMs }),
    });
    try {
      await this.#whole();
      const firstTerm = (await this.#leader()).term;
      await load.start();
      const faults = await this.#strikeAll();
      await pause(500);
      const report = await load.stop();
      const unresolved = await load.resolveOpen();
      const consistency = await checkConsistency(pool);
      return {
        seed: this.options.seed,
        faults,
        takeovers: (await this.#leader()).term - firstTerm,
        load: report,
        ledger: await ledger.check(pool),
        unresolved,
        consistency,
        fence: await checkFence(pool, this.#connection),
        slowestMs: report.latencyMs.max,
      };
    } finally {
      await pool.end();
      await this.#connection.close();
    }
  }

  async #strikeAll(): Promise<number> {
    let faults = 0;
    let round: string[] = [];
    for (let index = 0; index < this.options.faults; index++) {
      if (round.length === 0) round = this.#random.shuffled(this.options.targets);
      const named = round.pop() ?? "leader";
      await pause(this.#random.between(0, mostWaitMs));
      const target = await this.#resolve(named);
      const before = new Map(this.cluster.processes.map(({ id, pid }) => [id, pid]));
      const { affected } = await this.cluster.control("kill", target);
      await this.#whole();
      const after = new Map(this.cluster.processes.map(({ id, pid }) => [id, pid]));
      const tookEffect = affected.length > 0 && affected.every((id) => before.get(id) !== after.get(id));
      if (tookEffect) faults += 1;
      this.options.onFault?.(
        `${index + 1}/${this.options.faults} killed ${target}${named === target ? "" : ` (${named})`}${tookEffect ? "" : " without effect"}`,
      );
    }
    return faults;
  }

  async #resolve(target: string): Promise<string> {
    if (target !== "leader" && target !== "alternate") return target;
    const leader = (await this.#leader()).holder.id;
    if (target === "leader") return leader;
    return this.cluster.processes.find(({ id, kind }) => kind === "message-server" && id !== leader)?.id ?? leader;
  }

  #leader() {
    return eventually(async () => (await this.#status()).leader, {
      withinMs: 30_000,
      describe: "a message server leads",
    });
  }

  #status() {
    if (this.#connection === undefined) throw new Error("the campaign has no connection");
    return call(this.#connection, clusterStatus, {}, { timeoutMs: 1_000 });
  }

  /** Everything runs, an alternate is ready, every app server is accepting. */
  async #whole(): Promise<void> {
    await eventually(
      async () => {
        if (this.cluster.processes.some(({ state }) => state !== "running")) return false;
        const { appServers, instances, leader } = await this.#status();
        const wanted = this.cluster.processes.filter(({ kind }) => kind === "app-server").length;
        const alternates = instances.filter(
          ({ instance, ready, verdict }) =>
            instance.kind === "message-server" && instance.id !== leader.holder.id && ready && verdict === "alive",
        );
        return appServers.filter(({ state }) => state === "accepting").length === wanted && alternates.length > 0;
      },
      { withinMs: 60_000, describe: "the cluster is whole again" },
    );
  }
}
