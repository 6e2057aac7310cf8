import type { FailoverPool } from "@understudy/failover-pool";
import type { JobHandler } from "@understudy/work-queue";
import { confirmOrder } from "./job-definitions.ts";

/** What the customer is to be told goes to the outbox once, with the completion of the job. */
export const confirmOrders = (pool: FailoverPool): JobHandler =>
  confirmOrder.handledBy(({ orderId }, job) =>
    pool.transaction(
      async (client) => {
        await client.query({
          name: "confirm-order",
          text: `
            INSERT INTO order_entry.outbox (order_id, kind, body, created_at)
            SELECT o.id, 'order-confirmation',
                   jsonb_build_object('to', c.first_name || ' ' || c.last_name, 'customerId', c.id, 'orderNumber', o.number,
                                      'positions', o.position_count, 'totalCents', o.total_cents),
                   $2
              FROM order_entry.orders o JOIN order_entry.customers c ON c.id = o.customer_id
             WHERE o.id = $1`,
          values: [orderId, new Date()],
        });
        await job.completeIn(client);
      },
      { repeats: 3 },
    ),
  );
