import { checkConsistency } from "@understudy/order-entry/testing";
import { PostgresServer } from "@understudy/testkit";
import { totalCents } from "../src/orders/pricing.ts";
import { type Answer, order, type OrderEntryHost, OrderEntryRig } from "./rig.ts";

let server: PostgresServer;
let rig: OrderEntryRig;
let host: OrderEntryHost;
let keys = 0;
const newKey = (): string => `key-${(keys += 1)}`;

beforeAll(async () => {
  server = await PostgresServer.start();
  rig = await OrderEntryRig.start(server, "orders");
  host = await rig.host();
});
afterAll(async () => {
  await rig?.stop();
  await server.remove();
});
afterEach(async () => expect(await checkConsistency(rig.pool)).toEqual([]));

const stockOf = async (itemId: number) =>
  (
    await rig.pool.query("SELECT quantity, year_to_date, order_count FROM order_entry.stock WHERE item_id = $1", [
      itemId,
    ])
  ).rows[0] as { quantity: number; year_to_date: number; order_count: number };
const countOf = async (table: string): Promise<number> =>
  Number((await rig.pool.query(`SELECT count(*) FROM order_entry.${table}`)).rows[0].count);

function statusesOf(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

describe("placing an order", () => {
  it("answers 201 with the order and where to read it", async () => {
    const placed = await host.order(newKey(), order(1, [1, 2], [3, 4]));
    expect(placed.status).toBe(201);
    expect(placed.body).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      number: expect.any(Number),
      customerId: 1,
      positions: [
        { itemId: 1, quantity: 2, amount: expect.any(Number) },
        { itemId: 3, quantity: 4, amount: expect.any(Number) },
      ],
      total: expect.any(Number),
    });
    expect(placed.headers.get("location")).toBe(`/api/orders/${String(placed.body["id"])}`);
    const read = await host.get(placed.headers.get("location") ?? "");
    expect([read.status, read.body]).toEqual([200, placed.body]);
  });

  it("computes the total from prices, the customer's discount and both taxes", async () => {
    const { body } = await host.order(newKey(), order(77, [10, 3], [11, 91]));
    const { rows } = await rig.pool.query(
      `SELECT 3 * (SELECT price_cents FROM order_entry.items WHERE id = 10) + 91 * (SELECT price_cents FROM order_entry.items WHERE id = 11) AS sum,
         c.discount_basis_points AS discount, w.tax_basis_points + d.tax_basis_points AS tax
       FROM order_entry.customers c JOIN order_entry.warehouses w ON w.id = c.warehouse_id
       JOIN order_entry.districts d ON d.warehouse_id = c.warehouse_id AND d.id = c.district_id WHERE c.id = 77`,
    );
    const [{ sum, discount, tax }] = rows as [{ sum: number; discount: number; tax: number }];
    expect(body["total"]).toBe(totalCents(sum, discount, tax));
  });

  it("numbers the orders of a district without gaps", async () => {
    const numbers: unknown[] = [];
    // Customers 31 to 60 are of district 2.
    for (const customer of [31, 45, 60])
      numbers.push((await host.order(newKey(), order(customer, [1, 1]))).body["number"]);
    const [first] = numbers as [number];
    expect(numbers).toEqual([first, first + 1, first + 2]);
  });

  it("takes from stock by the rule, an item that comes twice position by position", async () => {
    await rig.pool.query("UPDATE order_entry.stock SET quantity = 15 WHERE item_id = 500");
    const before = await stockOf(500);
    const { status, body } = await host.order(newKey(), order(1, [500, 5], [501, 1], [500, 5]));
    expect(status).toBe(201);
    expect((body["positions"] as { itemId: number }[]).map(({ itemId }) => itemId)).toEqual([500, 501, 500]);
    expect(await stockOf(500)).toEqual({
      quantity: 96,
      year_to_date: before.year_to_date + 10,
      order_count: before.order_count + 2,
    });
  });

  it("takes 1 and 15 positions", async () => {
    const positions = Array.from({ length: 15 }, (_, index): [number, number] => [index + 1, 10]);
    expect((await host.order(newKey(), order(1, ...positions))).status).toBe(201);
    expect((await host.order(newKey(), order(1, [999, 1]))).status).toBe(201);
  });

  it("refuses an unknown customer or item with its place, and leaves nothing, the key unused", async () => {
    const counts = async () => [await countOf("orders"), await countOf("idempotency"), await stockOf(1)];
    const before = await counts();
    const key = newKey();
    const customer = await host.order(key, order(1_000_000, [1, 1]));
    expect([customer.status, customer.body["errors"]]).toEqual([
      422,
      [{ field: "/customerId", message: "there is no such customer" }],
    ]);
    const item = await host.order(key, order(1, [1, 1], [70_000, 1], [2, 1], [80_000, 1]));
    expect([item.status, item.body["errors"]]).toEqual([
      422,
      [
        { field: "/positions/1/itemId", message: "there is no such item" },
        { field: "/positions/3/itemId", message: "there is no such item" },
      ],
    ]);
    expect(await counts()).toEqual(before);
    expect((await host.order(key, order(1, [1, 1]))).status).toBe(201);
  });
});

describe("an Idempotency-Key", () => {
  it("answers 200 with the same order when it comes again with the same body", async () => {
    const key = newKey();
    const first = await host.order(key, order(5, [1, 2], [2, 3]));
    const orders = await countOf("orders");
    const again = await host.post(
      { "content-type": "application/json; charset=utf-8", "idempotency-key": key },
      '{ "positions": [ { "quantity": 2, "itemId": 1 }, { "quantity": 3, "itemId": 2 } ], "customerId": 5 }',
    );
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect(await countOf("orders")).toBe(orders);
  });

  it("answers 409 when it comes again with another body, and leaves the first order as it is", async () => {
    const key = newKey();
    const first = await host.order(key, order(5, [1, 2]));
    const other = await host.order(key, order(5, [1, 3]));
    expect([other.status, other.body["errors"]]).toEqual([
      409,
      [{ field: "Idempotency-Key", message: "was used before with another body" }],
    ]);
    expect((await host.get(`/api/orders?key=${key}`)).body).toEqual({ items: [first.body] });
  });

  it("makes one order of many requests at once, on several servers", async () => {
    const second = await rig.host({ id: "app-server-b" });
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? host : second).order(key, order(9, [4, 1], [3, 2]))),
    );
    expect(statusesOf(answers)).toEqual({ 200: 23, 201: 1 });
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const { rows } = await rig.pool.query("SELECT order_id FROM order_entry.idempotency WHERE key = $1", [key]);
    expect(rows).toEqual([{ order_id: answers[0]?.body["id"] }]);
  });

  it("lets one of two bodies win when both come at once", async () => {
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => host.order(key, order(9, [4, 1 + (index % 2)]))),
    );
    expect(statusesOf(answers)).toEqual({ 200: 4, 201: 1, 409: 5 });
  });

  it("lets the second request place the order when the first is undone", async () => {
    const key = newKey();
    const blocker = await rig.pool.connect();
    try {
      await blocker.query("BEGIN");
      await blocker.query("INSERT INTO order_entry.idempotency VALUES ($1, '\\x00', gen_random_uuid(), now())", [key]);
      const waiting = host.order(key, order(9, [4, 1]));
      await expect(Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 200, "waits"))])).resolves.toBe(
        "waits",
      );
      await blocker.query("ROLLBACK");
      expect((await waiting).status).toBe(201);
    } finally {
      blocker.release(true);
    }
  });

  it("may be any visible ASCII, up to 255 characters", async () => {
    for (const key of ["!~\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}", "k".repeat(255)]) {
      const placed = await host.order(key, order(2, [1, 1]));
      expect(placed.status).toBe(201);
      const found = await host.get(`/api/orders?key=${encodeURIComponent(key)}`);
      expect(found.body).toEqual({ items: [placed.body] });
    }
  });
});

describe("many orders at once", () => {
  it("all succeed, whatever items and districts they share", async () => {
    const items = Array.from({ length: 12 }, (_, index) => index + 1);
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, index) => {
        // Each in another order of items: unsorted locks would deadlock.
        const positions = items.map((_item, at): [number, number] => [items[(at * 5 + index) % 12]!, 1 + (index % 10)]);
        return host.order(newKey(), order(1 + ((index * 7) % 300), ...positions));
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(120).fill(201));
    expect(new Set(answers.map(({ body }) => body["id"])).size).toBe(120);
  });
});

describe("reading", () => {
  it("answers 404 for an order that does not exist, whatever its id looks like", async () => {
    for (const id of ["01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10", "42", "x'--"]) {
      const { status, headers } = await host.get(`/api/orders/${encodeURIComponent(id)}`);
      expect([id, status, headers.get("content-type")]).toEqual([
        id,
        404,
        expect.stringMatching(/^application\/problem\+json/),
      ]);
    }
  });

  it("finds nothing under a key that was never used", async () => {
    expect((await host.get("/api/orders?key=never")).body).toEqual({ items: [] });
  });

  it.each(["customers", "items", "stock", "orders"])("pages through all %s, each once, in order", async (list) => {
    const ids: string[] = [];
    let next = "";
    do {
      const { status, body } = await host.get(`/api/${list}?limit=97${next === "" ? "" : `&after=${next}`}`);
      expect(status).toBe(200);
      expect(body.items.length).toBeLessThanOrEqual(97);
      ids.push(...body.items.map(({ id }) => String(id)));
      next = (body["next"] as string | undefined) ?? "";
    } while (next !== "");
    expect(ids).toHaveLength(await countOf(list));
    expect(new Set(ids).size).toBe(ids.length);
    if (list === "orders") expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? 1 : -1)));
  });

  it("keeps a page's next valid while orders come in", async () => {
    const { body: first } = await host.get("/api/orders?limit=5");
    await host.order(newKey(), order(3, [1, 1]));
    const { body: second } = await host.get(`/api/orders?limit=5&after=${String(first["next"])}`);
    const { body: both } = await host.get("/api/orders?limit=11");
    expect(both.items.slice(1)).toEqual([...first.items, ...second.items]);
  });

  it("filters orders by customer and stock by item and warehouse", async () => {
    const placed = await host.order(newKey(), order(288, [1, 1]));
    const ofCustomer = await host.get("/api/orders?customerId=288");
    expect(ofCustomer.body.items[0]).toEqual(placed.body);
    expect(ofCustomer.body.items.every(({ customerId }) => customerId === 288)).toBe(true);
    const stock = await host.get("/api/stock?itemId=7&warehouseId=1");
    expect(stock.body.items).toMatchObject([{ id: "1-7", warehouseId: 1, itemId: 7 }]);
    expect((await host.get("/api/stock?warehouseId=2")).body.items).toEqual([]);
  });
});
