import { runService } from "@understudy/runtime";
import { dbPoolVariables } from "./db-pool.config.ts";
import { DbPoolModule } from "./db-pool.module.ts";

await runService({
  kind: "db-pool",
  variables: dbPoolVariables,
  module: (context) => DbPoolModule.forService(context),
});
