import { Random } from "./random.ts";

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.integer(0, 999));

describe("Random", () => {
  it("gives the same numbers for the same seed and stream", () => {
    expect(draw(new Random(7, 1), 100)).toEqual(draw(new Random(7, 1), 100));
  });

  it("gives other numbers for another seed, and for another stream of the same seed", () => {
    expect(draw(new Random(8, 1), 20)).not.toEqual(draw(new Random(7, 1), 20));
    expect(draw(new Random(7, 2), 20)).not.toEqual(draw(new Random(7, 1), 20));
  });

  it("keeps to its numbers over releases: databases of the same seed stay the same", () => {
    expect(draw(new Random(20_260_101, 1), 6)).toEqual([320, 532, 845, 67, 354, 764]);
  });

  it("reaches both ends and spreads evenly", () => {
    const random = new Random(1, 0);
    const counts = new Map<number, number>();
    for (let index = 0; index < 60_000; index += 1) {
      const value = random.integer(1, 6);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect(new Set(counts.keys())).toEqual(new Set([1, 2, 3, 4, 5, 6]));
    for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(600);
  });

  it("permutes without losing or doubling", () => {
    const permutation = new Random(1, 0).permutation(500);
    expect(permutation.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
    expect(permutation).not.toEqual(permutation.toSorted((a, b) => a - b));
  });

  it("selects exactly a tenth", () => {
    expect(new Random(1, 0).tenthOf(5_000).size).toBe(500);
  });
});
