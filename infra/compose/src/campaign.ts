/**
 * Faults of containers, one after the other, while clients place orders through the published URL; then what the
 * clients were told is held against what the database has (checker SET, TPC-C's conditions).
 *
 * Each step strikes, waits until everything runs, is ready and protected again, and is reported with its longest pause.
 */
import {
  checkConsistency,
  OrderLedger,
  OrderLoad,
  type LedgerReport,
  type OrderLoadReport,
  type Violation,
} from "@understudy/order-entry/testing";
import { pause } from "@understudy/runtime";
import type { ClusterView } from "./cluster-view.ts";
import { machineOf, type Containers } from "./containers.ts";
import { DatabaseSession } from "./database-session.ts";
import type { Engine } from "./engine.ts";
import { reportStep, type StepReport } from "./pauses.ts";

export interface CampaignOptions {
  readonly url: string;
  /** PEM of whom clients believe. */
  readonly authority: string;
  readonly clients: number;
  /** Services that are killed in turn; all where not given. */
  readonly killed?: readonly string[];
  readonly onStep: (report: StepReport) => void;
}

export interface Verdict {
  readonly load: OrderLoadReport;
  readonly ledger: LedgerReport;
  readonly unresolved: number;
  readonly consistency: readonly Violation[];
}

const cutMs = 6_000;

export const isFaultless = ({ load, ledger, unresolved, consistency }: Verdict): boolean =>
  OrderLedger.isClean(ledger) && unresolved === 0 && load.refused === 0 && consistency.length === 0;

export class ContainerCampaign {
  readonly #ledger = new OrderLedger();
  readonly #load: OrderLoad;

  constructor(
    private readonly engine: Engine,
    private readonly containers: Containers,
    private readonly view: ClusterView,
    private readonly options: CampaignOptions,
  ) {
    this.#load = new OrderLoad({
      url: options.url,
      authority: options.authority,
      clients: options.clients,
      ledger: this.#ledger,
      pauseMs: 20,
      // Patient: who gives up while the database is handed over counts as a failed attempt.
      attemptTimeoutMs: 10_000,
      orderDeadlineMs: 60_000,
    });
  }

  start(): Promise<void> {
    return this.#load.start();
  }

  /** Nothing happens: what a pause is without a fault. */
  calm(): Promise<StepReport> {
    return this.#step("nothing", () => pause(5_000));
  }

  async killEach(): Promise<void> {
    const services = this.options.killed ?? (await this.containers.all()).map(({ service }) => service);
    for (const service of services) await this.#step(`kill ${service}`, () => this.containers.crash(service));
  }

  async cutEach(): Promise<void> {
    const services = (await this.containers.all()).map(({ service }) => service);
    for (const machine of new Set(services.map(machineOf).filter((letter) => letter !== undefined)))
      await this.#step(`cut machine-${machine}`, async () => {
        const heal = await this.containers.cut(machine);
        await pause(cutMs);
        await heal();
      });
  }

  /** `docker-compose up -d` with other images. */
  renew(newer: Engine): Promise<StepReport> {
    return this.#step("upgrade, part by part", async () => {
      await newer.compose(["up", "-d", "--no-build"]);
    });
  }

  stopAndStart(): Promise<StepReport> {
    return this.#step("stop all, start all", async () => {
      await this.engine.compose(["stop"]);
      await this.engine.compose(["start"]);
    });
  }

  /** As when the power fails. */
  killAll(): Promise<StepReport> {
    return this.#step("kill all at once, start all", async () => {
      const ids = await this.#ids();
      await this.engine.docker(["kill", ...ids]);
      await this.engine.docker(["start", ...ids]);
    });
  }

  /** Nobody waits for anybody: each starts at a moment of its own. */
  startInAnyOrder(): Promise<StepReport> {
    return this.#step("kill all, start in any order", async () => {
      const ids = await this.#ids();
      await this.engine.docker(["kill", ...ids]);
      for (const id of [...ids].sort(() => Math.random() - 0.5)) {
        await this.engine.docker(["start", id]);
        await pause(Math.random() * 1_000);
      }
    });
  }

  async verdict(): Promise<Verdict> {
    const load = await this.#load.stop();
    const unresolved = await this.#load.resolveOpen();
    const { primary = "" } = await this.view.database();
    const keeper = await this.containers.of(primary.replace("postgres", "db-keeper"));
    const session = DatabaseSession.open(this.engine, keeper.id);
    try {
      const ledger = await this.#ledger.check(session.pool);
      return { load, ledger, unresolved, consistency: await checkConsistency(session.pool) };
    } finally {
      await session.close();
    }
  }

  async stop(): Promise<void> {
    await this.#load.stop();
  }

  async #ids(): Promise<readonly string[]> {
    return (await this.containers.all()).map(({ id }) => id);
  }

  async #step(name: string, strike: () => Promise<unknown>): Promise<StepReport> {
    const from = Date.now();
    await strike();
    await this.view.whole();
    const report = reportStep(name, this.#load.records, from, Date.now());
    this.options.onStep(report);
    return report;
  }
}
