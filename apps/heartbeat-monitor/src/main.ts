import { runService } from "@understudy/runtime";
import { HeartbeatMonitorModule } from "./heartbeat-monitor.module.ts";

await runService({
  kind: "heartbeat-monitor",
  // It needs no variables beside those of every service: times come from the cluster settings.
  variables: {},
  module: (context) => HeartbeatMonitorModule.forService(context),
});
