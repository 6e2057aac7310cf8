import { Inject, Injectable } from "@nestjs/common";
import type { DetectorReport, HostFigures } from "@understudy/contracts";
import { BeatBoard, Detector, type HeardBeat } from "@understudy/heartbeat";
import { Counter, Gauge } from "prom-client";

const verdicts = ["alive", "suspect", "silent"] as const;

type BeatFigure = readonly [name: string, help: string, read: (heard: HeardBeat) => number];
const instanceFigures: readonly BeatFigure[] = [
  ["last_beat_age_seconds", "Time since the last beat.", (heard) => (performance.now() - heard.heardAtMs) / 1_000],
  ["event_loop_lag_seconds", "Longest event-loop delay of the last beat.", ({ beat }) => beat.eventLoopLagMs / 1_000],
  ["resident_bytes", "Resident memory.", ({ beat }) => beat.residentBytes],
  ["cpu", "Fraction of one CPU in use.", ({ beat }) => beat.cpu],
  ["load", "Requests and jobs in work.", ({ beat }) => beat.load],
  ["ready", "1 when it says that it is ready.", ({ beat }) => (beat.ready ? 1 : 0)],
];
const machineFigures: readonly (readonly [name: string, help: string, figure: keyof HostFigures])[] = [
  ["load_per_cpu", "Load average of one minute divided by CPUs.", "loadPerCpu"],
  ["memory_total_bytes", "Memory of the machine.", "memoryTotalBytes"],
  ["memory_available_bytes", "Memory that can still be had.", "memoryAvailableBytes"],
  ["disk_total_bytes", "Size of the disk with the data; 0: unknown.", "diskTotalBytes"],
  ["disk_available_bytes", "Room on the disk with the data.", "diskAvailableBytes"],
];

/** What the monitor knows, for Prometheus. Read from board and detector when it is asked for. */
@Injectable()
export class Metrics {
  #reports: Counter<"verdict"> | undefined;

  constructor(
    @Inject(BeatBoard) private readonly board: BeatBoard,
    @Inject(Detector) private readonly detector: Detector,
  ) {}

  /** Adds the figures to the process's `/metrics`; once. */
  register(): void {
    const { board, detector } = this;
    this.#reports = new Counter({
      name: "understudy_detector_reports_total",
      help: "Reports sent, repetitions included.",
      labelNames: ["verdict"],
    });
    for (const verdict of verdicts) this.#reports.inc({ verdict }, 0);
    void new Gauge({
      name: "understudy_detector_hears_enough",
      help: "1 while enough NATS nodes are heard to find anything.",
      collect() {
        this.set(detector.hearsEnough ? 1 : 0);
      },
    });
    void new Gauge({
      name: "understudy_instance_verdict",
      help: "1 for the verdict that holds, 0 for the others.",
      labelNames: ["id", "kind", "machine", "verdict"],
      collect() {
        this.reset();
        for (const found of detector.all()) {
          const heard = board.latest(found.instance.id);
          const labels = heard === undefined ? { id: found.instance.id, kind: "", machine: "" } : labelsOf(heard);
          for (const verdict of verdicts) this.set({ ...labels, verdict }, found.verdict === verdict ? 1 : 0);
        }
      },
    });
    for (const [name, help, read] of instanceFigures) {
      void new Gauge({
        name: `understudy_instance_${name}`,
        help,
        labelNames: ["id", "kind", "machine"],
        collect() {
          this.reset();
          for (const heard of board.all()) this.set(labelsOf(heard), read(heard));
        },
      });
    }
    for (const [name, help, figure] of machineFigures) {
      void new Gauge({
        name: `understudy_machine_${name}`,
        help,
        labelNames: ["machine"],
        collect() {
          this.reset();
          for (const heard of newestOfEachMachine(board.all()))
            this.set({ machine: heard.beat.instance.machine }, heard.beat.host[figure]);
        },
      });
    }
  }

  count(report: DetectorReport): void {
    this.#reports?.inc({ verdict: report.verdict });
  }
}

/** As every process labels its own figures: the id and machine that they are about. */
const labelsOf = ({ beat: { instance } }: HeardBeat) => ({
  id: instance.id,
  kind: instance.kind,
  machine: instance.machine,
});

/** All instances on a machine tell its figures; the newest are the truest. */
function newestOfEachMachine(all: readonly HeardBeat[]): Iterable<HeardBeat> {
  const newest = new Map<string, HeardBeat>();
  for (const heard of all) {
    const { machine } = heard.beat.instance;
    if ((newest.get(machine)?.heardAtMs ?? Number.NEGATIVE_INFINITY) < heard.heardAtMs) newest.set(machine, heard);
  }
  return newest.values();
}
