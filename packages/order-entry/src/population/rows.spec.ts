import { cardinalityOf } from "./cardinality.ts";
import { itemRows, type Row, warehouseRows } from "./rows.ts";

const cardinality = cardinalityOf(1);
const tables = new Map(
  [itemRows(1, cardinality), ...warehouseRows(1, 2, cardinality)].map(({ table, rows }) => [table, [...rows]]),
);
const rowsOf = (table: string): readonly Row[] => tables.get(table) ?? [];
const sum = (rows: readonly Row[], field: string): number => rows.reduce((total, row) => total + Number(row[field]), 0);

describe("the first data", () => {
  it("has full cardinality at 100 percent", () => {
    expect(cardinalityOf(100)).toEqual({
      items: 100_000,
      districtsPerWarehouse: 10,
      customersPerDistrict: 3_000,
      ordersPerDistrict: 3_000,
      deliveredPerDistrict: 2_100,
    });
  });

  it("counts rows by the cardinality", () => {
    const counts = Object.fromEntries([...tables].map(([table, rows]) => [table, rows.length]));
    expect(counts).toMatchObject({
      items: 1_000,
      warehouses: 1,
      districts: 10,
      stock: 1_000,
      customers: 300,
      history: 300,
      orders: 300,
      new_orders: 90,
    });
    expect(counts["order_positions"]).toBe(sum(rowsOf("orders"), "position_count"));
  });

  it("is the same for the same seed, and another for another", () => {
    const text = (seed: number): string =>
      JSON.stringify(warehouseRows(seed, 2, cardinality).map(({ rows }) => Array.from(rows)));
    expect(text(1)).toBe(text(1));
    expect(text(2)).not.toBe(text(1));
  });

  it("has a tenth of items and stock ORIGINAL, a tenth of each district's customers with bad credit", () => {
    const original = (table: string): number =>
      rowsOf(table).filter((row) => String(row["data"]).includes("ORIGINAL")).length;
    expect(original("items")).toBe(100);
    expect(original("stock")).toBe(100);
    for (let district = 1; district <= 10; district += 1) {
      const customers = rowsOf("customers").filter((row) => row["district_id"] === district);
      expect(customers.filter((row) => row["credit"] === "BC")).toHaveLength(3);
    }
  });

  it("gives each customer exactly one order", () => {
    expect(new Set(rowsOf("orders").map((row) => row["customer_id"])).size).toBe(300);
  });

  it("leaves the last 30 percent of the orders undelivered: no carrier, a price, a row of new orders", () => {
    const orders = rowsOf("orders").filter((row) => row["district_id"] === 4);
    expect(orders.map((row) => row["carrier_id"] === null)).toEqual(orders.map((_, index) => index >= 21));
    const open = new Set(orders.slice(21).map((row) => row["id"]));
    const positions = rowsOf("order_positions");
    expect(positions.filter((row) => open.has(row["order_id"])).every((row) => Number(row["amount_cents"]) >= 1)).toBe(
      true,
    );
    expect(
      rowsOf("new_orders")
        .filter((row) => row["district_id"] === 4)
        .map((row) => row["number"]),
    ).toEqual([22, 23, 24, 25, 26, 27, 28, 29, 30]);
  });

  it("has sums that fit: payments, year to date, next order number", () => {
    expect(sum(rowsOf("history"), "amount_cents")).toBe(sum(rowsOf("warehouses"), "year_to_date_cents"));
    expect(sum(rowsOf("districts"), "year_to_date_cents")).toBe(sum(rowsOf("warehouses"), "year_to_date_cents"));
    expect(rowsOf("districts").every((row) => row["next_order_number"] === 31)).toBe(true);
  });

  it("keeps stock between 10 and 100 with a text for each district", () => {
    const stock = rowsOf("stock");
    const quantities = stock.map((row) => Number(row["quantity"]));
    expect([Math.min(...quantities), Math.max(...quantities)]).toEqual([10, 100]);
    expect(stock.every((row) => (row["district_infos"] as string[]).every((text) => text.length === 24))).toBe(true);
  });

  it("numbers customers through all warehouses", () => {
    const ids = rowsOf("customers").map((row) => row["id"]);
    expect([ids[0], ids.at(-1)]).toEqual([301, 600]);
  });
});
