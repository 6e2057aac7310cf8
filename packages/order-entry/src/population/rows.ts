/**
 * The first data, row by row, by clause 4.3.3.1 of the TPC-C specification. Pure: the same seed and cardinality give the
 * same rows. Field names are column names; sums that TPC-C fixes for full cardinality (W_YTD, D_YTD) follow the number
 * of customers, so that the consistency conditions hold for any.
 */
import { UUID } from "uuidv7";
import { totalCents } from "../orders/pricing.ts";
import { customerId, type Cardinality } from "./cardinality.ts";
import { Random } from "./random.ts";
import { address, aString, itemData, lastName, nonUniform, nString } from "./text.ts";

export type Row = Readonly<Record<string, unknown>>;
export interface TableRows {
  readonly table: string;
  readonly rows: Iterable<Row>;
}

/** 4.3.3.1 says "current date"; a fixed one keeps the data the same for the same seed. */
const firstDay = Date.UTC(2026, 0, 1);
const firstPaymentCents = 10_00;
const itemStream = 0;

export function itemRows(seed: number, cardinality: Cardinality): TableRows {
  return { table: "items", rows: items(new Random(seed, itemStream), cardinality) };
}

function* items(random: Random, { items: count }: Cardinality): Generator<Row> {
  const originals = random.tenthOf(count);
  for (let id = 1; id <= count; id += 1) {
    yield {
      id,
      image_id: random.integer(1, 10_000),
      name: aString(random, 14, 24),
      price_cents: random.integer(1_00, 100_00),
      data: itemData(random, originals.has(id)),
    };
  }
}

/** A warehouse with everything in it, in an order that satisfies the foreign keys. */
export function warehouseRows(seed: number, warehouseId: number, cardinality: Cardinality): readonly TableRows[] {
  const random = new Random(seed, warehouseId);
  const taxBasisPoints = random.integer(0, 2_000);
  const warehouse = {
    id: warehouseId,
    name: aString(random, 6, 10),
    ...address(random),
    tax_basis_points: taxBasisPoints,
    year_to_date_cents: firstPaymentCents * cardinality.customersPerDistrict * cardinality.districtsPerWarehouse,
  };
  const districts = Array.from({ length: cardinality.districtsPerWarehouse }, (_, index) => ({
    warehouse_id: warehouseId,
    id: index + 1,
    name: aString(random, 6, 10),
    ...address(random),
    tax_basis_points: random.integer(0, 2_000),
    year_to_date_cents: firstPaymentCents * cardinality.customersPerDistrict,
    next_order_number: cardinality.ordersPerDistrict + 1,
  }));
  const parts = districts.map((district) => {
    const discounts = Array.from({ length: cardinality.customersPerDistrict }, () => random.integer(0, 5_000));
    const taxes = taxBasisPoints + district.tax_basis_points;
    return {
      customers: [...customers(random, warehouseId, district.id, discounts, cardinality)],
      payments: [...payments(random, warehouseId, district.id, cardinality)],
      ...orders(random, warehouseId, district.id, discounts, taxes, cardinality),
    };
  });
  return [
    { table: "warehouses", rows: [warehouse] },
    { table: "districts", rows: districts },
    { table: "stock", rows: stock(random, warehouseId, cardinality) },
    { table: "customers", rows: parts.flatMap((part) => part.customers) },
    { table: "history", rows: parts.flatMap((part) => part.payments) },
    { table: "orders", rows: parts.flatMap((part) => part.orders) },
    { table: "order_positions", rows: parts.flatMap((part) => part.positions) },
    { table: "new_orders", rows: parts.flatMap((part) => part.newOrders) },
  ];
}

function* stock(random: Random, warehouseId: number, cardinality: Cardinality): Generator<Row> {
  const originals = random.tenthOf(cardinality.items);
  for (let itemId = 1; itemId <= cardinality.items; itemId += 1) {
    yield {
      warehouse_id: warehouseId,
      item_id: itemId,
      quantity: random.integer(10, 100),
      year_to_date: 0,
      order_count: 0,
      remote_count: 0,
      data: itemData(random, originals.has(itemId)),
      district_infos: Array.from({ length: cardinality.districtsPerWarehouse }, () => aString(random, 24, 24)),
    };
  }
}

function* customers(
  random: Random,
  warehouseId: number,
  districtId: number,
  discounts: readonly number[],
  cardinality: Cardinality,
): Generator<Row> {
  const badCredits = random.tenthOf(cardinality.customersPerDistrict);
  const nameConstant = random.integer(0, 255);
  for (let number = 1; number <= cardinality.customersPerDistrict; number += 1) {
    yield {
      id: customerId(cardinality, warehouseId, districtId, number),
      warehouse_id: warehouseId,
      district_id: districtId,
      number,
      first_name: aString(random, 8, 16),
      middle_name: "OE",
      // The first thousand have every name once.
      last_name: lastName(number <= 1_000 ? number - 1 : nonUniform(random, 255, 0, 999, nameConstant)),
      ...address(random),
      phone: nString(random, 16, 16),
      since: new Date(firstDay),
      credit: badCredits.has(number) ? "BC" : "GC",
      credit_limit_cents: 50_000_00,
      discount_basis_points: discounts[number - 1],
      balance_cents: -firstPaymentCents,
      year_to_date_payment_cents: firstPaymentCents,
      payment_count: 1,
      delivery_count: 0,
      data: aString(random, 300, 500),
    };
  }
}

function* payments(random: Random, warehouseId: number, districtId: number, cardinality: Cardinality): Generator<Row> {
  for (let number = 1; number <= cardinality.customersPerDistrict; number += 1) {
    yield {
      id: uuid(random, firstDay),
      customer_id: customerId(cardinality, warehouseId, districtId, number),
      warehouse_id: warehouseId,
      district_id: districtId,
      paid_at: new Date(firstDay),
      amount_cents: firstPaymentCents,
      data: aString(random, 12, 24),
    };
  }
}

interface OrderRows {
  readonly orders: Row[];
  readonly positions: Row[];
  readonly newOrders: Row[];
}

function orders(
  random: Random,
  warehouseId: number,
  districtId: number,
  discounts: readonly number[],
  taxBasisPoints: number,
  cardinality: Cardinality,
): OrderRows {
  const rows: OrderRows = { orders: [], positions: [], newOrders: [] };
  // Each customer has one order, at a random place.
  for (const [index, customerNumber] of random.permutation(cardinality.customersPerDistrict).entries()) {
    const number = index + 1;
    const isDelivered = number <= cardinality.deliveredPerDistrict;
    const placedAt = firstDay + number * 1_000;
    const id = uuid(random, placedAt);
    const positionCount = random.integer(5, 15);
    let sumCents = 0;
    for (let position = 1; position <= positionCount; position += 1) {
      // What was delivered before the books begin has no amount.
      const amountCents = isDelivered ? 0 : random.integer(1, 9_999_99);
      sumCents += amountCents;
      rows.positions.push({
        order_id: id,
        number: position,
        item_id: random.integer(1, cardinality.items),
        supply_warehouse_id: warehouseId,
        delivered_at: isDelivered ? new Date(placedAt) : null,
        quantity: 5,
        amount_cents: amountCents,
        district_info: aString(random, 24, 24),
      });
    }
    rows.orders.push({
      id,
      warehouse_id: warehouseId,
      district_id: districtId,
      number,
      customer_id: customerId(cardinality, warehouseId, districtId, customerNumber),
      placed_at: new Date(placedAt),
      carrier_id: isDelivered ? random.integer(1, 10) : null,
      position_count: positionCount,
      all_local: true,
      total_cents: totalCents(sumCents, discounts[customerNumber - 1]!, taxBasisPoints),
    });
    if (!isDelivered) rows.newOrders.push({ warehouse_id: warehouseId, district_id: districtId, number });
  }
  return rows;
}

function uuid(random: Random, at: number): string {
  const bits32 = 0xffff_ffff;
  return UUID.fromFieldsV7(
    at,
    random.integer(0, 0xfff),
    random.integer(0, 0x3fff_ffff),
    random.integer(0, bits32),
  ).toString();
}
