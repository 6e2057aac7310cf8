import { ConfigurationError, readConfiguration } from "@understudy/runtime";
import { firstDataSettings, orderEntryVariables } from "./order-entry.config.ts";

describe("the order entry's variables", () => {
  it("may be absent", () => {
    expect(firstDataSettings(readConfiguration(orderEntryVariables, {}))).toEqual({});
  });

  it("are read as numbers, among those of the app server", () => {
    const configuration = readConfiguration(orderEntryVariables, {
      UNDERSTUDY_ORDER_ENTRY_SCALE: "3",
      UNDERSTUDY_ORDER_ENTRY_DENSITY: "100",
    });
    expect(firstDataSettings({ ...configuration, UNDERSTUDY_ID: "app-server-a" })).toEqual({
      warehouses: 3,
      densityPercent: 100,
    });
  });

  it("are refused outside their range, all at once", () => {
    const read = () =>
      readConfiguration(orderEntryVariables, {
        UNDERSTUDY_ORDER_ENTRY_SCALE: "0",
        UNDERSTUDY_ORDER_ENTRY_DENSITY: "101",
      });
    expect(read).toThrow(ConfigurationError);
    expect(read).toThrow(/SCALE[\s\S]*DENSITY/);
  });
});
