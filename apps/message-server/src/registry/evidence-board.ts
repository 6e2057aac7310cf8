/** What monitors and supervisors reported about instances. Collected by leader and alternates alike. */
import {
  detectorReport,
  exitEvidence,
  type DetectorReport,
  type Evidence,
  type ExitEvidence,
} from "@understudy/contracts";
import { listen, type Log, type NatsConnections } from "@understudy/runtime";

interface HeardReport {
  readonly report: DetectorReport;
  readonly heardAt: number;
}

const exitsMost = 500;
const monitorLifeMs = 3_000;

export class EvidenceBoard {
  readonly #reports = new Map<string, Map<string, HeardReport>>();
  readonly #exits = new Map<string, ExitEvidence>();
  readonly #exitListeners: ((exit: ExitEvidence) => void)[] = [];
  readonly #reportListeners: ((report: DetectorReport) => void)[] = [];

  constructor(
    private readonly nats: NatsConnections,
    private readonly log: Log,
  ) {}

  start(): void {
    const onMalformed = (error: unknown) => this.log.warn({ err: error }, "a malformed report");
    // The supervisor's copies through several nodes are one piece of evidence.
    this.nats.onLifeline((connection) =>
      listen(connection, exitEvidence, (exit) => this.#takeExit(exit), { onMalformed }),
    );
    listen(this.nats.main, detectorReport, (report) => this.#takeReport(report), { onMalformed });
  }

  onExit(listener: (exit: ExitEvidence) => void): void {
    this.#exitListeners.push(listener);
  }

  onReport(listener: (report: DetectorReport) => void): void {
    this.#reportListeners.push(listener);
  }

  reportsOn(incarnation: string): readonly HeardReport[] {
    return [...(this.#reports.get(incarnation)?.values() ?? [])];
  }

  exitOf(incarnation: string): ExitEvidence | undefined {
    return this.#exits.get(incarnation);
  }

  forget(incarnation: string): void {
    this.#reports.delete(incarnation);
  }

  #takeReport(report: DetectorReport): void {
    const { incarnation } = report.instance;
    let byMonitor = this.#reports.get(incarnation);
    if (byMonitor === undefined) this.#reports.set(incarnation, (byMonitor = new Map()));
    byMonitor.set(report.monitor, { report, heardAt: performance.now() });
    for (const listener of this.#reportListeners) listener(report);
  }

  #takeExit(exit: ExitEvidence): void {
    if (this.#exits.has(exit.instance.incarnation)) return;
    this.#exits.set(exit.instance.incarnation, exit);
    const [oldest] = this.#exits.keys();
    if (this.#exits.size > exitsMost && oldest !== undefined) this.#exits.delete(oldest);
    for (const listener of this.#exitListeners) listener(exit);
  }
}

/** The supervisor's word as evidence. */
export function evidenceOfExit(exit: ExitEvidence): Evidence {
  const how = exit.signal === null ? `exit code ${exit.exitCode ?? "unknown"}` : exit.signal;
  return {
    kind: "exit",
    at: exit.at,
    observer: `supervisor of ${exit.machine}`,
    detail: `process ${exit.pid} ended: ${how}`,
  };
}

/** A process that ended because it was told to. */
export const isCleanExit = (exit: ExitEvidence): boolean => exit.exitCode === 0 && exit.signal === null;

/** A monitor counts as living while its own beats are heard. */
export const isLivingMonitor = (
  heard: { readonly beat: { readonly instance: { readonly kind: string } }; readonly heardAtMs: number },
  now: number,
): boolean => heard.beat.instance.kind === "heartbeat-monitor" && now - heard.heardAtMs <= monitorLifeMs;
