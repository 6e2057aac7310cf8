/**
 * How many rows the first data have. 100 percent is TPC-C (clause 4.3.3): 100,000 items, 3,000 customers and orders in
 * each of a warehouse's ten districts.
 */
export interface Cardinality {
  readonly items: number;
  readonly districtsPerWarehouse: number;
  readonly customersPerDistrict: number;
  /** One for each customer. */
  readonly ordersPerDistrict: number;
  /** The first 2,100 of 3,000 are delivered, the others are new. */
  readonly deliveredPerDistrict: number;
}

export function cardinalityOf(densityPercent: number): Cardinality {
  return {
    items: 1_000 * densityPercent,
    districtsPerWarehouse: 10,
    customersPerDistrict: 30 * densityPercent,
    ordersPerDistrict: 30 * densityPercent,
    deliveredPerDistrict: 21 * densityPercent,
  };
}

/** TPC-C's (warehouse, district, number) as one number. */
export function customerId(
  cardinality: Cardinality,
  warehouseId: number,
  districtId: number,
  customerNumber: number,
): number {
  const districtsBefore = (warehouseId - 1) * cardinality.districtsPerWarehouse + (districtId - 1);
  return districtsBefore * cardinality.customersPerDistrict + customerNumber;
}
