import { Random } from "./random.ts";
import { address, aString, itemData, lastName, nonUniform, nString, zip } from "./text.ts";

const random = new Random(3, 0);
const many = <Value>(make: () => Value): Value[] => Array.from({ length: 2_000 }, make);

describe("the texts of the specification", () => {
  it.each([
    [0, "BARBARBAR"],
    [371, "PRICALLYOUGHT"],
    [999, "EINGEINGEING"],
    [45, "BARPRESESE"],
  ])("last name %i is %s", (number, name) => {
    expect(lastName(number)).toBe(name);
  });

  it("gives a thousand different last names of at most 16 characters", () => {
    const names = Array.from({ length: 1_000 }, (_, number) => lastName(number));
    expect(new Set(names).size).toBe(1_000);
    expect(Math.max(...names.map(({ length }) => length))).toBeLessThanOrEqual(16);
  });

  it("makes a-strings of letters and digits within the length", () => {
    const texts = many(() => aString(random, 3, 5));
    expect(texts.every((text) => /^[A-Za-z0-9]{3,5}$/.test(text))).toBe(true);
    expect(new Set(texts.map(({ length }) => length))).toEqual(new Set([3, 4, 5]));
  });

  it("makes n-strings of digits, zips with 11111 at their end, states of two capitals", () => {
    expect(many(() => nString(random, 16, 16)).every((text) => /^\d{16}$/.test(text))).toBe(true);
    expect(many(() => zip(random)).every((text) => /^\d{4}11111$/.test(text))).toBe(true);
    expect(many(() => address(random)).every(({ state }) => /^[A-Z]{2}$/.test(state))).toBe(true);
  });

  it("puts ORIGINAL anywhere into the data of a selected item, whole and without changing the length", () => {
    const texts = many(() => itemData(random, true));
    expect(texts.every((text) => text.includes("ORIGINAL") && text.length >= 26 && text.length <= 50)).toBe(true);
    const places = texts.map((text) => text.indexOf("ORIGINAL"));
    expect(Math.min(...places)).toBe(0);
    expect(texts.some((text) => text.endsWith("ORIGINAL"))).toBe(true);
    expect(many(() => itemData(random, false)).some((text) => text.includes("ORIGINAL"))).toBe(false);
  });

  it("draws non-uniform numbers within their range, some far more often than others", () => {
    const numbers = Array.from({ length: 100_000 }, () => nonUniform(random, 255, 0, 999, 123));
    const counts = new Map<number, number>();
    for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThanOrEqual(999);
    expect(Math.max(...counts.values())).toBeGreaterThan(4 * 100);
  });
});
