/**
 * TPC-C's Delivery (clause 2.7), deferred: the oldest new order of each district of a warehouse is one batch and one
 * transaction. A batch that a lost server had begun is undone or done, never half; whoever runs the job next goes on
 * with what is left.
 */
import type { FailoverPool } from "@understudy/failover-pool";
import type { JobContext, JobHandler } from "@understudy/work-queue";
import type { PoolClient } from "pg";
import { deliverOrders as definition } from "./job-definitions.ts";

const batchText = `
  WITH due AS (
    SELECT DISTINCT ON (district_id) warehouse_id, district_id, number FROM order_entry.new_orders
     WHERE warehouse_id = $1 ORDER BY district_id, number
  ), taken AS (
    DELETE FROM order_entry.new_orders n USING due
     WHERE n.warehouse_id = due.warehouse_id AND n.district_id = due.district_id AND n.number = due.number
    RETURNING n.warehouse_id, n.district_id, n.number
  ), carried AS (
    UPDATE order_entry.orders o SET carrier_id = $2 FROM taken
     WHERE o.warehouse_id = taken.warehouse_id AND o.district_id = taken.district_id AND o.number = taken.number
    RETURNING o.id, o.customer_id
  ), delivered AS (
    UPDATE order_entry.order_positions p SET delivered_at = $3 FROM carried WHERE p.order_id = carried.id
    RETURNING carried.id, carried.customer_id, p.amount_cents
  ), charged AS (
    UPDATE order_entry.customers c
       SET balance_cents = c.balance_cents + due.cents, delivery_count = c.delivery_count + due.orders
      FROM (SELECT customer_id, sum(amount_cents) AS cents, count(DISTINCT id)::integer AS orders
              FROM delivered GROUP BY customer_id) due
     WHERE c.id = due.customer_id
  )
  SELECT count(*)::integer AS orders FROM carried`;

export const deliverOrders = (pool: FailoverPool): JobHandler =>
  definition.handledBy(async ({ warehouseId, batches, carrierId }, job) => {
    const warehouses = warehouseId === undefined ? await warehousesOf(pool) : [warehouseId];
    let delivered = 0;
    for (const warehouse of warehouses) {
      for (let batch = 0; batch < batches; batch++) {
        if (job.signal.aborted) throw job.signal.reason;
        const orders = await pool.transaction((client) => deliverBatch(client, job, warehouse, carrierId), {
          repeats: 5,
        });
        delivered += orders;
        job.progress({ warehouse, of: warehouses.length, delivered });
        if (orders === 0) break;
      }
    }
    return { delivered };
  });

async function deliverBatch(
  client: PoolClient,
  job: JobContext,
  warehouse: number,
  carrierId: number,
): Promise<number> {
  // Q2: a server that lost the job delivers nothing more.
  await job.assertHeld(client);
  const { rows } = await client.query<{ orders: number }>(batchText, [warehouse, carrierId, new Date()]);
  return rows[0]?.orders ?? 0;
}

async function warehousesOf(pool: FailoverPool): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>("SELECT id FROM order_entry.warehouses ORDER BY id");
  return rows.map(({ id }) => id);
}
