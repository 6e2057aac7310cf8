import { canUseNetworkNamespaces } from "@understudy/testkit";
import { silentPrimary } from "../src/failover/silent-primary.ts";

/** FAULTS row 3, its silences: packets to and from the primary's machine vanish, nobody resets. */
(canUseNetworkNamespaces() ? describe : describe.skip)("a primary whose machine falls silent (needs root)", () => {
  it("costs its callers a wait and nothing else, three times in a row", async () => {
    const report = await silentPrimary(3, 8, (text) => process.stdout.write(`${text}\n`));
    expect(report).toMatchObject({ errors: 0, lost: 0, doubled: 0 });
    expect(report?.resumedMs).toHaveLength(3);
    expect(report?.acknowledged).toBeGreaterThan(100);
  }, 300_000);
});
