import { runService } from "@understudy/runtime";
import { dbKeeperVariables } from "./db-keeper.config.ts";
import { DbKeeperModule } from "./db-keeper.module.ts";

await runService({
  kind: "db-keeper",
  variables: dbKeeperVariables,
  // PostgreSQL serves on while NATS is away.
  servesWithoutNats: true,
  module: (context) => DbKeeperModule.forService(context),
});
