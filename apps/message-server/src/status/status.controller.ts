import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import { clusterStatus, type ClusterStatus } from "@understudy/contracts";
import { BeatBoard } from "@understudy/heartbeat";
import { Elector } from "@understudy/leadership";
import { HandlesRequest, OperationalError, parseRequest } from "@understudy/runtime";
import { ConfigurationStore } from "../configuration/configuration-store.ts";
import { LeaderDatabase } from "../database/leader-database.ts";
import { EvidenceBoard } from "../registry/evidence-board.ts";
import { reportLifeMs } from "../registry/fate.ts";
import { Registry } from "../registry/registry.ts";
import { Suspicions } from "../registry/suspicions.ts";
import { CapacityWatch } from "../work/capacity-watch.ts";

/** The whole cluster as the leader sees it. */
@Controller()
export class StatusController {
  constructor(
    @Inject(Elector) private readonly elector: Elector,
    @Inject(BeatBoard) private readonly beats: BeatBoard,
    @Inject(Registry) private readonly registry: Registry,
    @Inject(EvidenceBoard) private readonly evidence: EvidenceBoard,
    @Inject(Suspicions) private readonly suspicions: Suspicions,
    @Inject(ConfigurationStore) private readonly configuration: ConfigurationStore,
    @Inject(LeaderDatabase) private readonly database: LeaderDatabase,
    @Inject(CapacityWatch) private readonly capacity: CapacityWatch,
  ) {}

  @HandlesRequest(clusterStatus)
  status(@Payload() payload: unknown): ClusterStatus {
    parseRequest(clusterStatus, payload);
    const leader = this.elector.assertLeading();
    const known = this.configuration.known(leader);
    if (known === undefined)
      throw new OperationalError("unavailable", "The first message server is still taking its role. Try again.");
    return {
      leader,
      roles: known.roles,
      termInDatabase: this.database.isCommitted(leader),
      settingsVersion: known.settingsVersion,
      appServers: this.registry.servers.map((server) =>
        server.state === "accepting" && this.suspicions.has(server.instance.incarnation)
          ? { ...server, state: "suspect" as const }
          : server,
      ),
      warnings: this.capacity.warnings,
      instances: this.beats
        .all()
        .sort((a, b) => (a.beat.instance.id < b.beat.instance.id ? -1 : 1))
        .map(({ beat, heardAtMs }) => ({
          instance: beat.instance,
          verdict: this.#verdict(beat.instance),
          lastBeatMs: Math.round(performance.now() - heardAtMs),
          load: beat.load,
          eventLoopLagMs: beat.eventLoopLagMs,
          residentBytes: beat.residentBytes,
          cpu: beat.cpu,
          ready: beat.ready,
        })),
    };
  }

  #verdict({
    id,
    incarnation,
  }: {
    readonly id: string;
    readonly incarnation: string;
  }): ClusterStatus["instances"][number]["verdict"] {
    const server = this.registry.find(id);
    if (server?.instance.incarnation === incarnation && server.state === "lost") return "lost";
    if (this.evidence.exitOf(incarnation) !== undefined) return "lost";
    const verdicts = new Set(
      this.evidence
        .reportsOn(incarnation)
        .filter(({ heardAt }) => performance.now() - heardAt <= reportLifeMs)
        .map(({ report }) => report.verdict),
    );
    return verdicts.has("silent") ? "silent" : verdicts.has("suspect") ? "suspect" : "alive";
  }
}
