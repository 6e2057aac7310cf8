import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import { getConfiguration, setConfiguration, type ClusterRoles, type VersionedSettings } from "@understudy/contracts";
import { Elector } from "@understudy/leadership";
import { CallerError, HandlesRequest, OperationalError, parseRequest } from "@understudy/runtime";
import { HistoryLog } from "../history/history-log.ts";
import { CapacityWatch } from "../work/capacity-watch.ts";
import { ConfigurationStore, parseSettings } from "./configuration-store.ts";

@Controller()
export class ConfigurationController {
  constructor(
    @Inject(Elector) private readonly elector: Elector,
    @Inject(ConfigurationStore) private readonly store: ConfigurationStore,
    @Inject(HistoryLog) private readonly history: HistoryLog,
    @Inject(CapacityWatch) private readonly capacity: CapacityWatch,
  ) {}

  @HandlesRequest(getConfiguration)
  async get(@Payload() payload: unknown): Promise<{ settings: VersionedSettings; roles: ClusterRoles }> {
    parseRequest(getConfiguration, payload);
    const [settings, roles] = await Promise.all([this.store.settings(), this.store.roles()]);
    if (roles === undefined)
      throw new OperationalError("unavailable", "The first message server is still taking its role. Try again.");
    return { settings, roles };
  }

  @HandlesRequest(setConfiguration)
  async set(@Payload() payload: unknown): Promise<{ settings: VersionedSettings; warnings: string[] }> {
    const change = parseRequest(setConfiguration, payload);
    const leader = this.elector.assertLeading();
    const wanted = parseSettings(change.settings).workQueues;
    const overloaded = this.capacity.newlyOverloaded(wanted);
    if (overloaded.length > 0)
      throw new CallerError("invalid-request", `The configuration was not changed: ${overloaded.join("; ")}`, {
        faults: overloaded,
      });
    const { settings, isRepeated } = await this.store.change(leader, change);
    if (!isRepeated) {
      void this.history.append(
        leader,
        {
          type: "configuration",
          version: settings.version,
          changedBy: settings.changedBy,
          summary: `${settings.changedBy} changed the configuration to version ${settings.version}`,
        },
        AbortSignal.timeout(30_000),
      );
    }
    return { settings, warnings: this.capacity.warningsFor(settings.settings.workQueues) };
  }
}
