import type { BusinessApplication } from "@understudy/runtime";
import { prepareDatabase } from "./database/prepare-database.ts";
import { jobDefinitions } from "./jobs/job-definitions.ts";
import { orderWork } from "./jobs/order-work.ts";
import { firstDataSettings, orderEntryVariables } from "./order-entry.config.ts";
import { OrderEntryModule } from "./order-entry.module.ts";

/** What an app server hosts. */
export const application: BusinessApplication = {
  name: "order-entry",
  variables: orderEntryVariables,
  prepare: (context) => prepareDatabase(context, firstDataSettings(context.configuration)),
  module: (context) => OrderEntryModule.for(context),
  jobs: jobDefinitions,
  work: orderWork,
};
