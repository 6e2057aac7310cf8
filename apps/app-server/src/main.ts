import { runService } from "@understudy/runtime";
import { appServerVariables } from "./app-server.config.ts";
import { AppServerModule } from "./app-server.module.ts";
import { AppServer } from "./app-server.ts";
import { loadApplications } from "./hosting/load-applications.ts";

// Applications declare variables of their own, so they are loaded before the configuration is read.
const loaded = await loadApplications(process.env["UNDERSTUDY_APPLICATIONS"]);

await runService({
  kind: "app-server",
  variables: appServerVariables(loaded),
  servesWithoutNats: true,
  module: (context) => AppServerModule.forService(context),
  onStarted: (app) => app.get(AppServer).start(),
});
