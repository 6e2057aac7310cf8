import { fileURLToPath } from "node:url";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import {
  beat,
  clusterSettings,
  configurationBucket,
  detectorReport,
  settingsKey,
  type Beat,
  type DetectorReport,
} from "@understudy/contracts";
import { listen } from "@understudy/runtime";
import { eventually, NatsCluster, ServiceProcess } from "@understudy/testkit";

const beatingService = fileURLToPath(new URL("beating-service.mjs", import.meta.url));
// Two cores may be busy with much else.
const startMs = 60_000;
const machines = ["machine-a", "machine-b", "machine-c"];

/** Two monitors and some beating services on a real NATS cluster, and everything that they say. */
export class MonitoredCluster {
  readonly reports: DetectorReport[] = [];
  readonly beats: Beat[] = [];
  readonly monitors: ServiceProcess[] = [];
  readonly #processes: ServiceProcess[] = [];

  private constructor(readonly nats: NatsCluster) {}

  static async start(): Promise<MonitoredCluster> {
    const cluster = new MonitoredCluster(await NatsCluster.start({ links: true }));
    try {
      await cluster.#build();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async #build(): Promise<void> {
    for (const server of this.nats.servers) {
      const connection = await this.nats.connect("test", { servers: [server] });
      listen(connection, detectorReport, (report) => this.reports.push(report));
      listen(connection, beat, (heard) => this.beats.push(heard), { id: "*" });
    }
    const monitor = "@understudy/heartbeat-monitor";
    this.monitors.push(
      ...(await Promise.all([
        this.launch(monitor, "heartbeat-monitor-a", 0),
        this.launch(monitor, "heartbeat-monitor-c", 2),
      ])),
    );
  }

  /** A beating service on the machine with that number, connected to its NATS node first. */
  service(id: string, machine: number): Promise<ServiceProcess> {
    return this.launch(beatingService, id, machine);
  }

  private async launch(service: string, id: string, machine: number): Promise<ServiceProcess> {
    const { servers } = this.nats;
    const process = ServiceProcess.launch({
      service,
      environment: {
        UNDERSTUDY_ID: id,
        UNDERSTUDY_MACHINE: machines[machine]!,
        UNDERSTUDY_NATS_SERVERS: [...servers.slice(machine), ...servers.slice(0, machine)].join(","),
        UNDERSTUDY_NATS_USER: this.nats.user,
        UNDERSTUDY_NATS_PASSWORD_FILE: this.nats.passwordFile,
      },
    });
    this.#processes.push(process);
    await process.started(startMs);
    return process;
  }

  /** Stores settings as a message server would; the bucket is made when there is none. */
  async configure(version: number, settings: object): Promise<void> {
    const connection = await this.nats.connect("configuration");
    const manager = new Kvm(jetstream(connection, { timeout: 2_000 }));
    const bucket = await eventually(() => manager.create(configurationBucket, { replicas: 3 }), { withinMs: 30_000 });
    const stored = {
      version,
      term: 1,
      changedAt: new Date().toISOString(),
      changedBy: "test",
      changeIds: [],
      settings: clusterSettings.parse(settings),
    };
    // A stream that was just made may have no leader yet and answers 503.
    await eventually(() => bucket.put(settingsKey, JSON.stringify(stored)), {
      withinMs: 20_000,
      describe: "the settings are stored",
    });
    await connection.close();
  }

  /** Verdicts of that process in the order of their coming, repetitions dropped, as one monitor said them. */
  verdicts(monitor: string, incarnation: string | undefined): string[] {
    return this.reports
      .filter((report) => report.monitor === monitor && report.instance.incarnation === incarnation)
      .map(({ verdict }) => verdict)
      .filter((verdict, index, all) => verdict !== all[index - 1]);
  }

  first(
    monitor: string,
    incarnation: string | undefined,
    verdict: DetectorReport["verdict"],
  ): DetectorReport | undefined {
    return this.reports.find(
      (report) =>
        report.monitor === monitor && report.instance.incarnation === incarnation && report.verdict === verdict,
    );
  }

  /** Waits until both monitors say so of that process; returns what they said last. */
  async found(
    process: ServiceProcess,
    verdict: DetectorReport["verdict"],
    withinMs = 15_000,
  ): Promise<DetectorReport[]> {
    const find = () =>
      ["heartbeat-monitor-a", "heartbeat-monitor-c"].flatMap((monitor) => {
        const said = this.reports.findLast(
          (report) => report.monitor === monitor && report.instance.incarnation === process.incarnation,
        );
        return said?.verdict === verdict ? [said] : [];
      });
    await eventually(() => find().length === 2, {
      withinMs,
      describe: `both monitors find ${process.incarnation} ${verdict}`,
    });
    return find();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()));
    await this.nats.stop();
  }
}
