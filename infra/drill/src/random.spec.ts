import { firstFall } from "./fence-checker.ts";
import { SeededRandom } from "./random.ts";

describe("SeededRandom", () => {
  it("repeats itself from its seed", () => {
    const draw = (seed: number) => {
      const random = new SeededRandom(seed);
      return [random.next(), random.between(5, 6), ...random.shuffled([1, 2, 3, 4, 5])];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });
});

describe("firstFall", () => {
  it("finds a term that came after a higher one", () => {
    expect(firstFall([1, 2, 2, 5])).toBeUndefined();
    expect(firstFall([1, 3, 2, 5])).toBe(2);
    expect(firstFall([])).toBeUndefined();
  });
});
