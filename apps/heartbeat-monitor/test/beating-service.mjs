/** A service that does nothing but beat and answer probes; its stop takes a while, as a drain does. */
import { HeartbeatModule } from "@understudy/heartbeat";
import { pause, runService, SettingsWatch } from "@understudy/runtime";

await runService({
  kind: "app-server",
  variables: {},
  module: ({ nats, log, shutdown }) => {
    const settings = new SettingsWatch(nats, log);
    settings.start();
    shutdown.on("finish", "settings", () => settings.stop());
    shutdown.on("finish", "work", () => pause(1_000));
    return HeartbeatModule.forService({ load: () => 7, settings });
  },
});
