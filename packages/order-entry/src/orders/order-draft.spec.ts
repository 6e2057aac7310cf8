import { draftOrder, type OrderGround } from "./order-draft.ts";

const ground: OrderGround = {
  warehouseId: 1,
  districtId: 2,
  discountBasisPoints: 1_000,
  taxBasisPoints: 2_000,
  stock: new Map([
    [5, { quantity: 15, priceCents: 250, districtInfo: "five" }],
    [9, { quantity: 80, priceCents: 1_000, districtInfo: "nine" }],
  ]),
};
const request = (...positions: [itemId: number, quantity: number][]) => ({
  customerId: 1,
  positions: positions.map(([itemId, quantity]) => ({ itemId, quantity })),
});

describe("the draft of an order", () => {
  it("prices each position in the order in which they came", () => {
    expect(draftOrder(request([9, 2], [5, 4]), ground)).toMatchObject({
      draft: {
        positions: [
          { itemId: 9, quantity: 2, amountCents: 2_000, districtInfo: "nine" },
          { itemId: 5, quantity: 4, amountCents: 1_000, districtInfo: "five" },
        ],
        totalCents: 3_240,
      },
    });
  });

  it("takes an item that comes twice from stock one after the other, and counts both positions", () => {
    // 15 - 5 = 10; 10 - 5 < 10, so + 91.
    expect(draftOrder(request([5, 5], [9, 1], [5, 5]), ground)).toMatchObject({
      draft: {
        stockChanges: [
          { itemId: 5, quantityAfter: 96, pieces: 10, positions: 2 },
          { itemId: 9, quantityAfter: 79, pieces: 1, positions: 1 },
        ],
      },
    });
  });

  it("names every position whose item does not exist", () => {
    expect(draftOrder(request([7, 1], [5, 1], [8, 1]), ground)).toEqual({ unknownItems: [0, 2] });
  });
});
