/**
 * Watches every instance of the cluster and tells what it finds: `detectorReport` through every NATS node, log lines,
 * metrics. It decides nothing, and knows nothing of the other monitor: their reports are independent witnesses.
 *
 * It owns the lives of board, detector and settings watch. Ready means that it hears enough NATS nodes to conclude
 * anything.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from "@nestjs/common";
import { detectorReport, subjectOf, type ClusterSettings, type DetectorReport } from "@understudy/contracts";
import { BeatBoard, Detector } from "@understudy/heartbeat";
import { LOG, NatsConnections, Readiness, SettingsWatch, Shutdown, type Log } from "@understudy/runtime";
import { Metrics } from "./metrics.ts";

const readinessMs = 500;

@Injectable()
export class HeartbeatMonitor implements OnApplicationBootstrap {
  #timer: NodeJS.Timeout | undefined;
  /** What was logged last of each instance: repetitions are for readers of NATS, not for the log. */
  readonly #logged = new Map<string, string>();

  constructor(
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(BeatBoard) private readonly board: BeatBoard,
    @Inject(Detector) private readonly detector: Detector,
    @Inject(Metrics) private readonly metrics: Metrics,
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.shutdown.on("finish", "heartbeat-monitor", () => this.stop());
    this.start();
  }

  start(): void {
    this.metrics.register();
    this.settings.onChange((settings) => this.#follow(settings));
    this.#follow(this.settings.current);
    this.settings.start();
    this.detector.onReport((report) => this.#tell(report));
    this.board.start();
    this.detector.start();
    this.#timer = setInterval(() => this.#showReadiness(), readinessMs);
    this.#showReadiness();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.detector.stop();
    this.board.stop();
    this.settings.stop();
  }

  #follow({ appServers, heartbeat }: ClusterSettings): void {
    this.detector.configure({ lostAfterMs: appServers.lostAfterMs, probeMs: heartbeat.probeMs });
  }

  #tell(report: DetectorReport): void {
    // Through every node: a main connection to a node that just froze would keep the report for seconds.
    this.nats.publishEverywhere(subjectOf(detectorReport), JSON.stringify(report));
    this.metrics.count(report);
    const { id, incarnation } = report.instance;
    const line = `${incarnation} ${report.verdict}`;
    if (this.#logged.get(id) === line) return;
    this.#logged.set(id, line);
    const level = report.verdict === "alive" ? "info" : "warn";
    this.log[level](
      { instance: id, incarnation, silentMs: report.silentMs, evidence: report.evidence },
      report.verdict,
    );
  }

  #showReadiness(): void {
    const { hearsEnough } = this.detector;
    this.readiness.set("hearing", hearsEnough, hearsEnough ? "" : "too few NATS nodes are heard to find anything");
  }
}
