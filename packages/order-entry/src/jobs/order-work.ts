import type { ApplicationContext, ApplicationWork } from "@understudy/runtime";
import { confirmOrders } from "./confirm-order.ts";
import { deliverOrders } from "./deliver-orders.ts";
import { drillHandlers } from "./drill-sleep.ts";
import { deliverOrders as deliveries, hasDrills, reportStock as report } from "./job-definitions.ts";
import { reportStock } from "./report-stock.ts";
import { stockWatch, watchStock } from "./watch-stock.ts";

/** Everything that the order entry does in the background. */
export function orderWork({ workPool, configuration, identity }: ApplicationContext): ApplicationWork {
  return {
    handlers: [
      confirmOrders(workPool),
      deliverOrders(workPool),
      reportStock(workPool),
      ...(hasDrills(configuration) ? drillHandlers(workPool) : []),
    ],
    services: [watchStock(workPool, identity.incarnation)],
    async define(queue) {
      await queue.services.define(stockWatch);
      await queue.schedules.define(deliveries, {
        name: "deliveries",
        cron: "*/10 * * * *",
        missed: "once",
        payload: {},
      });
      await queue.schedules.define(report, { name: "stock-report", cron: "30 1 * * *", missed: "once", payload: {} });
    },
  };
}
