import { ConfigurationError } from "@understudy/runtime";
import { planFirstData } from "./first-data.ts";

const there = { warehouses: 2, seed: 5, densityPercent: 10 };

describe("what is to be generated", () => {
  it("is one small warehouse in an empty database without settings", () => {
    expect(planFirstData({}, undefined)).toMatchObject({
      kind: "generate",
      isFirst: true,
      densityPercent: 5,
      fromWarehouse: 1,
      toWarehouse: 1,
    });
  });

  it("is nothing when the data are there, asked for or not", () => {
    expect(planFirstData({}, there)).toEqual({ kind: "nothing" });
    expect(planFirstData({ warehouses: 2 }, there)).toEqual({ kind: "nothing" });
  });

  it("is nothing when fewer warehouses are asked for than there are", () => {
    expect(planFirstData({ warehouses: 1 }, there)).toEqual({ kind: "nothing" });
  });

  it("is the missing warehouses, with seed and density of those that are there", () => {
    expect(planFirstData({ warehouses: 4, seed: 9 }, there)).toEqual({
      kind: "generate",
      isFirst: false,
      seed: 5,
      densityPercent: 10,
      fromWarehouse: 3,
      toWarehouse: 4,
    });
  });

  it("refuses another density than the data have, naming the variable", () => {
    expect(() => planFirstData({ densityPercent: 100 }, there)).toThrow(ConfigurationError);
    expect(() => planFirstData({ densityPercent: 100 }, there)).toThrow(/UNDERSTUDY_ORDER_ENTRY_DENSITY/);
  });
});
