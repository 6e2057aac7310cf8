import { defaultClusterSettings } from "@understudy/contracts";
import { parseSettings } from "./configuration-store.ts";

describe("parseSettings", () => {
  it("fills what is missing with the defaults", () => {
    expect(parseSettings({})).toEqual(defaultClusterSettings());
  });

  it("names every fault at once, unknown settings included", () => {
    const refused = () =>
      parseSettings({ appServers: { cutOffAfterMs: -1, colour: "red" }, heartbeat: { beatMs: "often" }, extra: 1 });
    expect(refused).toThrow(/appServers\.cutOffAfterMs/);
    expect(refused).toThrow(/appServers\.colour: no such setting/);
    expect(refused).toThrow(/heartbeat\.beatMs/);
    expect(refused).toThrow(/extra: no such setting/);
  });

  it("refuses settings that contradict each other", () => {
    expect(() => parseSettings({ appServers: { lostAfterMs: 1_000 }, heartbeat: { beatMs: 5_000 } })).toThrow(
      /at least four beats/,
    );
  });
});
