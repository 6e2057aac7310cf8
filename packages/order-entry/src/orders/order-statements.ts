/**
 * The two statements of an order, named so that each connection parses them once. Everything that an order does fits
 * into BEGIN, these two and COMMIT: round trips cost more than rows.
 *
 * Locks are taken in one order by every transaction, so that no two can wait for each other: the key, the stock rows by
 * item, the district last, since all orders of a district meet there.
 *
 * The job that confirms an order is enqueued by the same statement and has the order's id: no round trip more. Nobody is
 * woken for it, since NOTIFY would make all commits wait for each other; workers find it at their next look.
 */
import { workQueueSchema } from "@understudy/runtime";
import type { PoolClient } from "pg";
import { confirmOrder } from "../jobs/job-definitions.ts";
import type { OrderDraft, OrderGround, StockGround } from "./order-draft.ts";

export interface Claim {
  readonly key: string;
  readonly fingerprint: Buffer;
  readonly orderId: string;
  readonly placedAt: Date;
  readonly customerId: number;
  readonly itemIds: readonly number[];
}

// `claim.key = $1` in the inner query makes it depend on the claim: no stock is locked before the key is ours.
// NO KEY UPDATE lets the foreign keys of other orders' positions pass.
const claimText = `
  WITH claim AS (
    INSERT INTO order_entry.idempotency (key, fingerprint, order_id, used_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (key) DO NOTHING
    RETURNING key
  )
  SELECT customer.warehouse_id AS "warehouseId", customer.district_id AS "districtId",
         customer.discount_basis_points AS "discountBasisPoints",
         warehouse.tax_basis_points + district.tax_basis_points AS "taxBasisPoints",
         supply."itemId", supply.quantity, supply."priceCents", supply."districtInfo"
  FROM claim
  LEFT JOIN order_entry.customers customer ON customer.id = $5
  LEFT JOIN order_entry.warehouses warehouse ON warehouse.id = customer.warehouse_id
  LEFT JOIN order_entry.districts district
    ON district.warehouse_id = customer.warehouse_id AND district.id = customer.district_id
  LEFT JOIN LATERAL (
    SELECT stock.item_id AS "itemId", stock.quantity, item.price_cents AS "priceCents",
           stock.district_infos[customer.district_id] AS "districtInfo"
    FROM order_entry.stock stock JOIN order_entry.items item ON item.id = stock.item_id
    WHERE claim.key = $1 AND stock.warehouse_id = customer.warehouse_id AND stock.item_id = ANY ($6::integer[])
    ORDER BY stock.item_id
    FOR NO KEY UPDATE OF stock
  ) supply ON true`;

type ClaimRow = Omit<OrderGround, "stock" | "warehouseId"> &
  StockGround & { readonly warehouseId: number | null; readonly itemId: number | null };

export type ClaimResult =
  | { readonly kind: "claimed"; readonly ground: OrderGround }
  | { readonly kind: "key-taken" }
  | { readonly kind: "unknown-customer" };

/** Takes the key, waiting for whoever is using it, and locks the stock of the customer's warehouse. */
export async function claimOrder(client: PoolClient, claim: Claim): Promise<ClaimResult> {
  const { rows } = await client.query<ClaimRow>({
    name: "order-claim",
    text: claimText,
    values: [claim.key, claim.fingerprint, claim.orderId, claim.placedAt, claim.customerId, claim.itemIds],
  });
  const [first] = rows;
  if (first === undefined) return { kind: "key-taken" };
  if (first.warehouseId === null) return { kind: "unknown-customer" };
  const stock = new Map(rows.flatMap((row) => (row.itemId === null ? [] : [[row.itemId, row] as const])));
  return { kind: "claimed", ground: { ...first, warehouseId: first.warehouseId, stock } };
}

const writeText = `
  WITH district AS (
    UPDATE order_entry.districts SET next_order_number = next_order_number + 1
    WHERE warehouse_id = $1 AND id = $2
    RETURNING next_order_number - 1 AS number
  ), placed AS (
    INSERT INTO order_entry.orders
      (id, warehouse_id, district_id, number, customer_id, placed_at, carrier_id, position_count, all_local, total_cents)
    SELECT $3, $1, $2, number, $4, $5, NULL, cardinality($7::integer[]), true, $6 FROM district
    RETURNING number
  ), opened AS (
    INSERT INTO order_entry.new_orders (warehouse_id, district_id, number) SELECT $1, $2, number FROM district
  ), listed AS (
    INSERT INTO order_entry.order_positions
      (order_id, number, item_id, supply_warehouse_id, delivered_at, quantity, amount_cents, district_info)
    SELECT $3, number, item_id, $1, NULL, quantity, amount_cents, district_info
    FROM unnest($7::integer[], $8::integer[], $9::integer[], $10::text[])
      WITH ORDINALITY AS position (item_id, quantity, amount_cents, district_info, number)
  ), taken AS (
    UPDATE order_entry.stock stock
    SET quantity = change.quantity, year_to_date = stock.year_to_date + change.pieces,
        order_count = stock.order_count + change.positions
    FROM unnest($11::integer[], $12::integer[], $13::integer[], $14::integer[])
      AS change (item_id, quantity, pieces, positions)
    WHERE stock.warehouse_id = $1 AND stock.item_id = change.item_id
  )
  SELECT number,
         ${workQueueSchema}.enqueue('${confirmOrder.queue}', '${confirmOrder.type}', ${confirmOrder.restartable},
           ${confirmOrder.attempts}, (${confirmOrder.priority})::smallint, ARRAY[$3::uuid],
           jsonb_build_object('orderId', $3::uuid)::text, NULL, NULL, NULL, NULL, false) AS confirmations
  FROM placed`;

/** Writes the order and returns its number in the district. */
export async function writeOrder(
  client: PoolClient,
  claim: Claim,
  ground: OrderGround,
  { positions, stockChanges, totalCents }: OrderDraft,
): Promise<number> {
  const { rows } = await client.query<{ number: number }>({
    name: "order-write",
    text: writeText,
    values: [
      ground.warehouseId,
      ground.districtId,
      claim.orderId,
      claim.customerId,
      claim.placedAt,
      totalCents,
      positions.map(({ itemId }) => itemId),
      positions.map(({ quantity }) => quantity),
      positions.map(({ amountCents }) => amountCents),
      positions.map(({ districtInfo }) => districtInfo),
      stockChanges.map(({ itemId }) => itemId),
      stockChanges.map(({ quantityAfter }) => quantityAfter),
      stockChanges.map(({ pieces }) => pieces),
      stockChanges.map(({ positions }) => positions),
    ],
  });
  return rows[0]!.number;
}
