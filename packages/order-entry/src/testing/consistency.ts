/**
 * TPC-C's consistency conditions (specification 5.11, clause 3.3.2) as far as they apply: nothing here takes payments, so
 * conditions about these say that the first data stayed as they were. Beside them our own: keys,
 * totals, stock. Each condition is a query for what contradicts it.
 */
import type { Pool } from "pg";
import { cardinalityOf } from "../population/cardinality.ts";

export interface Violation {
  readonly condition: string;
  /** Some of the rows that contradict it, as JSON. */
  readonly rows: readonly string[];
}

interface Condition {
  readonly name: string;
  /** $1: orders per district, $2: delivered ones per district, in the first data. */
  readonly query: string;
}

/** Orders per district with what belongs to them; every order belongs to one. */
const perDistrict = `
  SELECT d.warehouse_id, d.id AS district_id, d.next_order_number,
         count(o.*) AS orders, coalesce(max(o.number), 0) AS last_number, coalesce(sum(o.position_count), 0) AS positions
  FROM order_entry.districts d
  LEFT JOIN order_entry.orders o ON o.warehouse_id = d.warehouse_id AND o.district_id = d.id
  GROUP BY d.warehouse_id, d.id`;
const newPerDistrict = `
  SELECT d.warehouse_id, d.id AS district_id, count(n.*) AS orders, min(n.number) AS first_number, max(n.number) AS last_number
  FROM order_entry.districts d
  LEFT JOIN order_entry.new_orders n ON n.warehouse_id = d.warehouse_id AND n.district_id = d.id
  GROUP BY d.warehouse_id, d.id`;

const conditions: readonly Condition[] = [
  {
    name: "1: a warehouse's year to date is the sum of its districts'",
    query: `SELECT w.id, w.year_to_date_cents, sum(d.year_to_date_cents) AS districts
      FROM order_entry.warehouses w JOIN order_entry.districts d ON d.warehouse_id = w.id
      GROUP BY w.id HAVING w.year_to_date_cents <> sum(d.year_to_date_cents)`,
  },
  {
    name: "2: the next order number follows the highest of the orders and of the new orders",
    query: `SELECT a.*, n.last_number AS last_new FROM (${perDistrict}) a JOIN (${newPerDistrict}) n USING (warehouse_id, district_id)
      WHERE a.next_order_number - 1 <> a.last_number OR a.last_number <> coalesce(n.last_number, a.last_number)`,
  },
  {
    name: "3: the numbers of new orders have no gaps",
    query: `SELECT * FROM (${newPerDistrict}) n WHERE orders > 0 AND last_number - first_number + 1 <> orders`,
  },
  {
    name: "order numbers have no gaps",
    query: `SELECT * FROM (${perDistrict}) a WHERE orders <> last_number`,
  },
  {
    name: "4: the position counts of a district's orders sum up to its positions",
    query: `SELECT a.warehouse_id, a.district_id, a.positions, count(p.*) AS found FROM (${perDistrict}) a
      LEFT JOIN order_entry.orders o USING (warehouse_id, district_id)
      LEFT JOIN order_entry.order_positions p ON p.order_id = o.id
      GROUP BY a.warehouse_id, a.district_id, a.positions HAVING a.positions <> count(p.*)`,
  },
  {
    name: "5: an order has a carrier exactly when it is not a new order",
    query: `SELECT o.id, o.carrier_id FROM order_entry.orders o
      LEFT JOIN order_entry.new_orders n USING (warehouse_id, district_id, number)
      WHERE (o.carrier_id IS NULL) <> (n.number IS NOT NULL)`,
  },
  {
    name: "6: each order has as many positions as it counts",
    query: `SELECT o.id, o.position_count, count(p.*) AS found FROM order_entry.orders o
      LEFT JOIN order_entry.order_positions p ON p.order_id = o.id
      GROUP BY o.id HAVING o.position_count <> count(p.*)`,
  },
  {
    name: "7: a position is delivered exactly when its order has a carrier",
    query: `SELECT p.order_id, p.number FROM order_entry.order_positions p JOIN order_entry.orders o ON o.id = p.order_id
      WHERE (p.delivered_at IS NULL) <> (o.carrier_id IS NULL)`,
  },
  {
    name: "8: a warehouse's year to date is the sum of the payments in it",
    query: `SELECT w.id, w.year_to_date_cents, sum(h.amount_cents) AS paid
      FROM order_entry.warehouses w LEFT JOIN order_entry.history h ON h.warehouse_id = w.id
      GROUP BY w.id HAVING w.year_to_date_cents <> coalesce(sum(h.amount_cents), 0)`,
  },
  {
    name: "9: a district's year to date is the sum of the payments in it",
    query: `SELECT d.warehouse_id, d.id, d.year_to_date_cents, sum(h.amount_cents) AS paid FROM order_entry.districts d
      LEFT JOIN order_entry.history h ON h.warehouse_id = d.warehouse_id AND h.district_id = d.id
      GROUP BY d.warehouse_id, d.id HAVING d.year_to_date_cents <> coalesce(sum(h.amount_cents), 0)`,
  },
  {
    name: "10, 12: a customer's balance is what was delivered less what was paid",
    query: `SELECT c.id, c.balance_cents, c.year_to_date_payment_cents, delivered.cents AS delivered, paid.cents AS paid
      FROM order_entry.customers c
      LEFT JOIN (SELECT o.customer_id, sum(p.amount_cents) AS cents FROM order_entry.order_positions p
                 JOIN order_entry.orders o ON o.id = p.order_id WHERE p.delivered_at IS NOT NULL
                 GROUP BY o.customer_id) delivered ON delivered.customer_id = c.id
      LEFT JOIN (SELECT customer_id, sum(amount_cents) AS cents FROM order_entry.history GROUP BY customer_id) paid
        ON paid.customer_id = c.id
      WHERE c.balance_cents <> coalesce(delivered.cents, 0) - coalesce(paid.cents, 0)
         OR c.balance_cents + c.year_to_date_payment_cents <> coalesce(delivered.cents, 0)`,
  },
  {
    name: "11: all orders are new but those delivered at first and those that were counted when they were delivered",
    query: `SELECT a.warehouse_id, a.district_id, a.orders, n.orders AS new_orders, c.deliveries
      FROM (${perDistrict}) a JOIN (${newPerDistrict}) n USING (warehouse_id, district_id)
      JOIN (SELECT warehouse_id, district_id, sum(delivery_count) AS deliveries FROM order_entry.customers
             GROUP BY warehouse_id, district_id) c USING (warehouse_id, district_id)
      WHERE a.orders - n.orders <> $2 + c.deliveries`,
  },
  {
    name: "an order is confirmed, or its confirmation is on its way, and never both",
    query: `SELECT o.id, j.state, b.created_at FROM order_entry.orders o
      LEFT JOIN order_entry.outbox b ON b.order_id = o.id
      LEFT JOIN work_queue.job j ON j.id = o.id
      WHERE o.number > $1 AND (b.order_id IS NULL) = (j.id IS NULL)`,
  },
  {
    name: "every order placed here has its key",
    query: `SELECT o.id, o.number FROM order_entry.orders o LEFT JOIN order_entry.idempotency i ON i.order_id = o.id
      WHERE o.number > $1 AND i.key IS NULL`,
  },
  {
    name: "every key has its order",
    query: `SELECT i.key, i.order_id FROM order_entry.idempotency i LEFT JOIN order_entry.orders o ON o.id = i.order_id
      WHERE o.id IS NULL`,
  },
  {
    name: "a total is the sum of the amounts with discount and taxes",
    query: `SELECT o.id, o.total_cents, sum(p.amount_cents) AS sum FROM order_entry.orders o
      JOIN order_entry.customers c ON c.id = o.customer_id
      JOIN order_entry.warehouses w ON w.id = o.warehouse_id
      JOIN order_entry.districts d ON d.warehouse_id = o.warehouse_id AND d.id = o.district_id
      JOIN order_entry.order_positions p ON p.order_id = o.id
      GROUP BY o.id, c.id, w.id, d.warehouse_id, d.id
      HAVING o.total_cents <> round(sum(p.amount_cents) * (10000 - c.discount_basis_points)::numeric
        * (10000 + w.tax_basis_points + d.tax_basis_points) / 100000000)`,
  },
  {
    name: "an amount is price times quantity",
    query: `SELECT p.order_id, p.number, p.amount_cents FROM order_entry.order_positions p
      JOIN order_entry.orders o ON o.id = p.order_id JOIN order_entry.items i ON i.id = p.item_id
      WHERE o.number > $1 AND p.amount_cents <> i.price_cents * p.quantity`,
  },
  {
    name: "stock gave what the orders took",
    query: `SELECT s.warehouse_id, s.item_id, s.year_to_date, s.order_count, taken.pieces, taken.positions
      FROM order_entry.stock s
      LEFT JOIN (SELECT p.supply_warehouse_id AS warehouse_id, p.item_id, sum(p.quantity) AS pieces, count(*) AS positions
                 FROM order_entry.order_positions p JOIN order_entry.orders o ON o.id = p.order_id
                 WHERE o.number > $1 GROUP BY 1, 2) taken USING (warehouse_id, item_id)
      WHERE s.year_to_date <> coalesce(taken.pieces, 0) OR s.order_count <> coalesce(taken.positions, 0)`,
  },
  {
    name: "stock stays within 10 and 100",
    query: `SELECT warehouse_id, item_id, quantity FROM order_entry.stock WHERE quantity NOT BETWEEN 10 AND 100`,
  },
];

/** How many rows of a violation are told. */
const shownRows = 5;

/** What contradicts the conditions; empty when all hold. One snapshot, so it may run under load. */
export async function checkConsistency(pool: Pool): Promise<readonly Violation[]> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const first = await client.query<{ density_percent: number }>("SELECT density_percent FROM order_entry.first_data");
    const cardinality = cardinalityOf(first.rows[0]?.density_percent ?? 0);
    const violations: Violation[] = [];
    for (const { name, query } of conditions) {
      // Both constants are named here, so that a condition may leave them out.
      const { rows } = await client.query<{ row: string }>(
        `SELECT row_to_json(violation)::text AS row FROM (${query}) violation
         WHERE $1::integer IS NOT NULL AND $2::integer IS NOT NULL LIMIT ${shownRows}`,
        [cardinality.ordersPerDistrict, cardinality.deliveredPerDistrict],
      );
      if (rows.length > 0) violations.push({ condition: name, rows: rows.map(({ row }) => row) });
    }
    await client.query("COMMIT");
    return violations;
  } finally {
    // Whatever it was in the middle of ends with the connection.
    client.release(true);
  }
}
