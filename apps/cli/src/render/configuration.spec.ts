import { defaultClusterSettings } from "@understudy/contracts";
import { withValueAt } from "../settings-path.ts";
import { exampleSettings, noon } from "../testing/example-cluster.ts";
import { renderChange, renderConfiguration } from "./configuration.ts";
import { plainStyle } from "./style.ts";

const changed = () => {
  const before = exampleSettings();
  const settings = withValueAt(before.settings, "appServers.drainMs", 5_000) as typeof before.settings;
  return { before, after: { ...before, version: 4, settings } };
};

describe("configuration", () => {
  it("tells values that differ from their defaults from those that do not", () => {
    const text = renderConfiguration(changed().after, defaultClusterSettings(), noon, plainStyle);
    expect(text).toContain("version 4");
    expect(text).toMatch(/appServers\.drainMs +5000 +default: 20000/);
    expect(text).toMatch(/loadBalancers\.holdMs +10000 +default$/m);
  });

  it("names each value that a change changed, and both versions", () => {
    const { before, after } = changed();
    expect(renderChange(before, after, plainStyle)).toBe("appServers.drainMs: 20000 → 5000\nVersion 3 → 4.");
  });

  it("says when a change changes nothing", () => {
    const { before } = changed();
    expect(renderChange(before, before, plainStyle)).toContain("Nothing to change");
  });
});
