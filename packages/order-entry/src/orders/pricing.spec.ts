import fc from "fast-check";
import { mostPieces, takeFromStock, totalCents } from "./pricing.ts";

describe("the total of an order", () => {
  it.each([
    [10_000, 0, 0, 10_000],
    [10_000, 1_250, 800, 9_450],
    // 33 x 0.9 x 1.1 = 32.67
    [33, 1_000, 1_000, 33],
    // 1 x 0.5 = 0.5: half up.
    [1, 5_000, 0, 1],
    [3, 5_000, 0, 2],
    [0, 1_234, 567, 0],
  ])("%i cents with discount %i and tax %i are %i", (sum, discount, tax, total) => {
    expect(totalCents(sum, discount, tax)).toBe(total);
  });

  it("is the exact product, rounded once, for any order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 15 * mostPieces * 10_000 }),
        fc.integer({ min: 0, max: 5_000 }),
        fc.integer({ min: 0, max: 4_000 }),
        (sum, discount, tax) => {
          const total = BigInt(totalCents(sum, discount, tax));
          const exact = BigInt(sum) * BigInt(10_000 - discount) * BigInt(10_000 + tax);
          // total - 1/2 <= exact / 10^8 < total + 1/2
          expect(2n * total * 100_000_000n - 100_000_000n <= 2n * exact).toBe(true);
          expect(2n * exact < 2n * total * 100_000_000n + 100_000_000n).toBe(true);
        },
      ),
    );
  });

  it("is right where numbers with a point are not", () => {
    expect(Math.round(40 * (1 - 0.07) * (1 + 0.25))).toBe(46);
    // Exactly 46.5.
    expect(totalCents(40, 700, 2_500)).toBe(47);
  });
});

describe("what an order leaves in stock", () => {
  it.each([
    [50, 10, 40],
    [20, 10, 10],
    [19, 10, 100],
    [10, 1, 100],
    [10, 91, 10],
    [100, 90, 10],
    [100, 91, 100],
  ])("%i less %i pieces leave %i", (quantity, pieces, rest) => {
    expect(takeFromStock(quantity, pieces)).toBe(rest);
  });

  it("is 10 to 100 again for every order that is accepted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 100 }), fc.integer({ min: 1, max: mostPieces }), (quantity, pieces) => {
        const rest = takeFromStock(quantity, pieces);
        expect(rest).toBeGreaterThanOrEqual(10);
        expect(rest).toBeLessThanOrEqual(100);
      }),
    );
  });
});
