/** Checkers count only when they find what they are there for: each planted bug must be told by the right condition. */
import { checkConsistency, OrderLedger } from "@understudy/order-entry/testing";
import { PostgresServer } from "@understudy/testkit";
import type { Pool } from "pg";
import { order, OrderEntryRig } from "./rig.ts";

let server: PostgresServer;
let admin: Pool;
const ledger = new OrderLedger();
const keys: string[] = [];
const ids: string[] = [];
let copies = 0;

beforeAll(async () => {
  server = await PostgresServer.start();
  const rig = await OrderEntryRig.start(server, "checkers");
  const host = await rig.host();
  for (let count = 0; count < 5; count += 1) {
    const key = ledger.newKey();
    const { body } = await host.order(key, order(1, [1 + count, 2], [900, 3]));
    ledger.acknowledge(key, String(body["id"]));
    keys.push(key);
    ids.push(String(body["id"]));
  }
  await rig.stop();
  admin = server.pool({ database: "postgres", max: 1 });
});
afterAll(() => server.remove());

/** Looks at a copy of the database in which `statements` were done with foreign keys and checks asleep. */
async function withPlanted<Result>(statements: string, look: (pool: Pool) => Promise<Result>): Promise<Result> {
  const name = `copy_${(copies += 1)}`;
  await admin.query(`CREATE DATABASE ${name} TEMPLATE checkers`);
  const pool = server.pool({ database: name, max: 1 });
  await pool.query(`ALTER TABLE order_entry.stock DROP CONSTRAINT stock_quantity;
    SET session_replication_role = replica; ${statements}; RESET session_replication_role`);
  const result = await look(pool);
  await pool.end();
  await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
  return result;
}

// The orders placed here are numbers 31 to 35 of district 1; the first data have 1 to 30, delivered 1 to 21.
const placed = (number: number): string =>
  `(SELECT id FROM order_entry.orders WHERE warehouse_id = 1 AND district_id = 1 AND number = ${number})`;

describe("the consistency conditions", () => {
  it("hold for first data and placed orders", async () => {
    expect(await withPlanted("", checkConsistency)).toEqual([]);
  });

  it.each<[bug: string, statements: string, condition: string]>([
    [
      "a warehouse's sum was not raised",
      "UPDATE order_entry.warehouses SET year_to_date_cents = year_to_date_cents - 1",
      "1:",
    ],
    [
      "an order number was handed out for nothing",
      "UPDATE order_entry.districts SET next_order_number = 37 WHERE id = 1",
      "2:",
    ],
    [
      "an order number was handed out twice",
      "UPDATE order_entry.districts SET next_order_number = 35 WHERE id = 1",
      "2:",
    ],
    ["a new order was not noted", "DELETE FROM order_entry.new_orders WHERE district_id = 1 AND number = 35", "2:"],
    [
      "a new order is gone in the middle",
      "DELETE FROM order_entry.new_orders WHERE district_id = 1 AND number = 33",
      "3:",
    ],
    ["an order in the middle is lost", `DELETE FROM order_entry.orders WHERE id = ${placed(33)}`, "order numbers"],
    [
      "a position is lost",
      `DELETE FROM order_entry.order_positions WHERE order_id = ${placed(32)} AND number = 2`,
      "6:",
    ],
    [
      "positions belong to no order",
      `UPDATE order_entry.order_positions SET order_id = gen_random_uuid() WHERE order_id = ${placed(34)}`,
      "4:",
    ],
    [
      "a position was written to another order",
      `UPDATE order_entry.order_positions SET order_id = ${placed(31)}, number = 9 WHERE order_id = ${placed(32)} AND number = 1`,
      "6:",
    ],
    [
      "an order was delivered without leaving the new ones",
      `UPDATE order_entry.orders SET carrier_id = 3 WHERE id = ${placed(31)}`,
      "5:",
    ],
    [
      "a delivery date without a carrier",
      `UPDATE order_entry.order_positions SET delivered_at = now() WHERE order_id = ${placed(31)}`,
      "7:",
    ],
    ["a payment is lost", "DELETE FROM order_entry.history WHERE customer_id = 7", "8:"],
    [
      "a payment was booked in another district",
      "UPDATE order_entry.history SET district_id = 5 WHERE customer_id = 7",
      "9:",
    ],
    [
      "a balance is off by a cent",
      "UPDATE order_entry.customers SET balance_cents = balance_cents + 1 WHERE id = 7",
      "10, 12:",
    ],
    ["an old order came back as new", "INSERT INTO order_entry.new_orders VALUES (1, 2, 21)", "11:"],
    [
      "an order was placed twice under one key",
      `INSERT INTO order_entry.orders SELECT gen_random_uuid(), 1, 1, 36, customer_id, placed_at, NULL, position_count, true, total_cents FROM order_entry.orders WHERE id = ${placed(35)}`,
      "every order placed here",
    ],
    ["a key outlived its order", `DELETE FROM order_entry.orders WHERE id = ${placed(35)}`, "every key"],
    [
      "a total is off by a cent",
      `UPDATE order_entry.orders SET total_cents = total_cents + 1 WHERE id = ${placed(32)}`,
      "a total",
    ],
    [
      "a total without tax",
      `UPDATE order_entry.orders SET total_cents = (SELECT sum(amount_cents) FROM order_entry.order_positions WHERE order_id = ${placed(32)}) WHERE id = ${placed(32)}`,
      "a total",
    ],
    [
      "an amount for one piece less",
      `UPDATE order_entry.order_positions SET amount_cents = amount_cents / quantity WHERE order_id = ${placed(33)}`,
      "an amount",
    ],
    [
      "stock was not taken",
      "UPDATE order_entry.stock SET year_to_date = 0, order_count = 0 WHERE item_id = 900",
      "stock gave",
    ],
    [
      "a lost update of stock",
      "UPDATE order_entry.stock SET year_to_date = year_to_date - 3, order_count = order_count - 1 WHERE item_id = 900",
      "stock gave",
    ],
    ["stock sold below nothing", "UPDATE order_entry.stock SET quantity = -5 WHERE item_id = 3", "stock stays"],
  ])("find that %s", async (_bug, statements, condition) => {
    const violations = await withPlanted(statements, checkConsistency);
    const told = violations.map((violation) => violation.condition);
    expect(told.some((text) => text.startsWith(condition))).toBe(true);
    expect(violations.every(({ rows }) => rows.length > 0)).toBe(true);
  });
});

describe("the ledger", () => {
  const clean = { lost: [], duplicated: [], altered: [], unexpected: [], recovered: 0, absent: 0 };

  it("finds nothing wrong where nothing is", async () => {
    const report = await withPlanted("", (pool) => ledger.check(pool));
    expect(report).toEqual({ ...clean, acknowledged: 5 });
    expect(OrderLedger.isClean(report)).toBe(true);
  });

  it("finds an acknowledged order that is lost, with its key or without", async () => {
    const report = await withPlanted(
      `DELETE FROM order_entry.idempotency WHERE key = '${keys[1]}'; DELETE FROM order_entry.orders WHERE id IN ('${ids[1]}', '${ids[3]}')`,
      (pool) => ledger.check(pool),
    );
    expect(report).toMatchObject({ lost: [keys[1], keys[3]], duplicated: [] });
    expect(OrderLedger.isClean(report)).toBe(false);
  });

  it("finds an order that was placed twice for one key", async () => {
    const report = await withPlanted(
      `INSERT INTO order_entry.orders SELECT '01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10', 1, 1, 36, customer_id, placed_at, NULL, 0, true, 0
       FROM order_entry.orders WHERE id = '${ids[0]}'`,
      (pool) => ledger.check(pool),
    );
    expect(report).toMatchObject({ duplicated: ["01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10"], lost: [] });
    expect(OrderLedger.isClean(report)).toBe(false);
  });

  it("finds a key that leads to another order than was acknowledged", async () => {
    const report = await withPlanted(
      `UPDATE order_entry.idempotency SET order_id = gen_random_uuid() WHERE key = '${keys[0]}';
       UPDATE order_entry.orders SET id = (SELECT order_id FROM order_entry.idempotency WHERE key = '${keys[0]}') WHERE id = '${ids[0]}'`,
      (pool) => ledger.check(pool),
    );
    expect(report).toMatchObject({ altered: [keys[0]], lost: [] });
    expect(OrderLedger.isClean(report)).toBe(false);
  });

  it("finds an order whose request was refused, and one that nobody sent", async () => {
    const refused = ledger.newKey();
    ledger.refuse(refused);
    const neverSent = refused.replace(/\d+$/, "999");
    const report = await withPlanted(
      `UPDATE order_entry.idempotency SET key = CASE key WHEN '${keys[0]}' THEN '${refused}' WHEN '${keys[1]}' THEN '${neverSent}' ELSE key END`,
      (pool) => ledger.check(pool),
    );
    expect(report.unexpected.toSorted()).toEqual([refused, neverSent].toSorted());
    expect(report.lost).toEqual([keys[0], keys[1]]);
    expect(OrderLedger.isClean(report)).toBe(false);
  });

  it("tells open outcomes that are there from those that are not", async () => {
    const there = ledger.newKey();
    ledger.newKey();
    const report = await withPlanted(
      `UPDATE order_entry.idempotency SET key = '${there}' WHERE key = '${keys[4]}'`,
      (pool) => ledger.check(pool),
    );
    expect(report).toMatchObject({ recovered: 1, absent: 1, lost: [keys[4]] });
  });

  it("leaves out what other ledgers did", async () => {
    const other = new OrderLedger();
    expect(await withPlanted("", (pool) => other.check(pool))).toEqual({ ...clean, acknowledged: 0 });
  });
});
