/**
 * A service: one instance in the cluster looks for items that are low and keeps the list of alerts. Each look is one
 * transaction that asserts the instance's term, so that of two that believe to run the service one has no effect; the
 * looks stand in `stock_watches`, which shows exactly that.
 */
import type { FailoverPool } from "@understudy/failover-pool";
import { pause } from "@understudy/runtime";
import type { ServiceHandler } from "@understudy/work-queue";
import { uuidv7 } from "uuidv7";
import { lowQuantity } from "./report-stock.ts";

export const stockWatch = { name: "stock.watch", queue: "SERVICES" };

const everyMs = 2_000;
const keptSeconds = 3_600;

export const watchStock = (pool: FailoverPool, incarnation: string): ServiceHandler => ({
  type: stockWatch.name,
  async prepare() {
    await pool.query("SELECT 1 FROM order_entry.stock_alerts LIMIT 1");
  },
  async run(service) {
    while (!service.signal.aborted) {
      const now = new Date();
      await pool.transaction(async (client) => {
        await service.assertEffective(client);
        await client.query(
          `DELETE FROM order_entry.stock_alerts a USING order_entry.stock s
            WHERE s.warehouse_id = a.warehouse_id AND s.item_id = a.item_id AND s.quantity > $1`,
          [lowQuantity],
        );
        await client.query(
          `INSERT INTO order_entry.stock_alerts AS a (warehouse_id, item_id, quantity, since)
           SELECT warehouse_id, item_id, quantity, $2 FROM order_entry.stock WHERE quantity <= $1
           ON CONFLICT (warehouse_id, item_id) DO UPDATE SET quantity = excluded.quantity
            WHERE a.quantity <> excluded.quantity`,
          [lowQuantity, now],
        );
        await client.query("DELETE FROM order_entry.stock_watches WHERE watched_at < $1", [
          new Date(now.getTime() - keptSeconds * 1_000),
        ]);
        await client.query(
          "INSERT INTO order_entry.stock_watches (id, term, incarnation, watched_at) VALUES ($1, $2, $3, $4)",
          [uuidv7(), service.term, incarnation, now],
        );
      });
      await pause(everyMs, service.signal);
    }
  },
});
