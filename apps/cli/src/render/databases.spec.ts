import { exampleDatabases, noon } from "../testing/example-cluster.ts";
import { renderDatabases, renderInDoubt, renderPools } from "./databases.ts";
import { plainStyle } from "./style.ts";

const render = (...args: Parameters<typeof exampleDatabases>) =>
  renderDatabases(exampleDatabases(...args).databases, noon, plainStyle);

describe("db list", () => {
  it("tells of each member role, state, timeline, lag and whether it is in sync", () => {
    const text = render();
    expect(text).toContain("orders: postgres-a is primary · term 4, timeline 2 · in sync: postgres-b · available");
    expect(text).toMatch(/postgres-a\s+machine-a\s+primary\s+running\s+2\s+yes/);
    expect(text).toMatch(/postgres-b\s+machine-b\s+standby\s+streaming\s+2\s+1\.0 KB\s+yes/);
  });

  it("says what an operator must know: no primary, degraded, paused", () => {
    const text = render({
      primary: undefined,
      phase: "promoting",
      degradedSince: noon,
      paused: { since: noon, reason: "new disk" },
    });
    expect(text).toContain("no primary (promoting)");
    expect(text).toContain("degraded since");
    expect(text).toContain("(new disk)");
  });
});

describe("db pools and db in-doubt", () => {
  it("say that there is nothing, where there is nothing", () => {
    expect(renderPools([], plainStyle)).toBe("No service with a pool was heard.");
    expect(renderInDoubt([], noon, plainStyle)).toBe("No commit was in doubt.");
  });

  it("show figures of each service, and how each commit ended and when", () => {
    const { pools, inDoubt } = exampleDatabases();
    expect(renderPools(pools, plainStyle)).toMatch(/app-server-a\s+orders\s+postgres-a\s+4\s+3\s+0\s+2\s+1/);
    expect(renderInDoubt(inDoubt, noon, plainStyle)).toMatch(/app-server-a\s+orders\s+\S+\s+1\s+committed\s+120 ms/);
  });
});
