import { LocalCluster } from "@understudy/local";
import { temporaryFolder } from "@understudy/testkit";
import { Campaign, describeCampaign, isFaultless, standardTargets } from "../src/index.ts";

const faults = 28;

describe("orders through the one URL", () => {
  const folder = temporaryFolder("drill");
  let cluster: LocalCluster;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ stateDir: folder.path, port: 0, readyWithinMs: 120_000 });
  }, 150_000);
  afterAll(async () => {
    await cluster?.killAll();
    folder.remove();
  });

  it("survive the death of every part, one after the other: none lost, none doubled, each answered in time", async () => {
    const seed = Date.now() % 1_000_000;
    const report = await new Campaign(cluster, {
      seed,
      faults,
      clients: 8,
      pauseMs: 20,
      targets: standardTargets,
    }).run();
    process.stderr.write(`${describeCampaign(report)}\n`);
    // Too few of anything counts as not run.
    expect(report.faults).toBeGreaterThanOrEqual(25);
    expect(report.takeovers).toBeGreaterThanOrEqual(2);
    expect(report.load.acknowledged).toBeGreaterThan(500);
    expect({ ...report.ledger, acknowledged: 0, recovered: 0, absent: 0 }).toEqual({
      acknowledged: 0,
      lost: [],
      duplicated: [],
      altered: [],
      unexpected: [],
      recovered: 0,
      absent: 0,
    });
    expect(report.load.refused).toBe(0);
    expect(report.load.unknown).toBe(0);
    expect(report.unresolved).toBe(0);
    expect(report.consistency).toEqual([]);
    expect(report.fence.violations).toEqual([]);
    expect(report.slowestMs).toBeLessThan(5_000);
    expect(isFaultless(report)).toBe(true);
  }, 600_000);
});
