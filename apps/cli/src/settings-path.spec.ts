import { defaultClusterSettings } from "@understudy/contracts";
import { leafPaths, parseValue, valueAt, withValueAt } from "./settings-path.ts";

const settings = defaultClusterSettings();

describe("a path into the settings", () => {
  it("leads to a value or to a group", () => {
    expect(valueAt(settings, "appServers.drainMs")).toBe(20_000);
    expect(valueAt(settings, "heartbeat")).toEqual(settings.heartbeat);
  });

  it("changes one value and leaves the rest and the original alone", () => {
    const next = withValueAt(settings, "appServers.drainMs", 1);
    expect(valueAt(next, "appServers.drainMs")).toBe(1);
    expect(withValueAt(next, "appServers.drainMs", 20_000)).toEqual(settings);
    expect(settings.appServers.drainMs).toBe(20_000);
  });

  it("can replace a whole group", () => {
    expect(valueAt(withValueAt(settings, "heartbeat", { beatMs: 100 }), "heartbeat.beatMs")).toBe(100);
  });

  it.each(["appServers.drainMss", "appservers.drainMs", "appServers.drainMs.x", "nothing", "", "constructor"])(
    "refuses %p and lists what there is",
    (path) => expect(() => valueAt(settings, path)).toThrow(/There is no setting .* Known: appServers\.cutOffAfterMs,/),
  );

  it("asks whether a similar one was meant", () => {
    expect(() => valueAt(settings, "appServers.drainMss")).toThrow("Did you mean appServers.drainMs?");
  });

  it("knows every value", () => {
    expect(leafPaths(settings)).toContain("loadBalancers.holdRequests");
  });

  it.each([
    ["5000", 5_000],
    ["true", true],
    ['["a","b"]', ["a", "b"]],
    ["plain text", "plain text"],
    ['"5000"', "5000"],
  ])("reads what was typed: %s", (text, value) => expect(parseValue(text)).toEqual(value));
});
