import { LocalCluster } from "@understudy/local";
import { temporaryFolder } from "@understudy/testkit";
import {
  Campaign,
  deaths,
  describeCampaign,
  isFaultless,
  plannedStops,
  standstills,
  type CampaignReport,
} from "../src/index.ts";

const clients = 8;

describe("orders through the one URL", () => {
  const folder = temporaryFolder("drill");
  let cluster: LocalCluster;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ stateDir: folder.path, port: 0, isEncrypted: true, readyWithinMs: 120_000 });
  }, 150_000);
  afterAll(async () => {
    await cluster?.killAll();
    folder.remove();
  });

  const campaign = async (
    repertoire: readonly string[],
    faults: number,
    options: { readonly attemptTimeoutMs?: number } = {},
  ): Promise<CampaignReport> => {
    const told: string[] = [];
    const seed = Date.now() % 1_000_000;
    const run = new Campaign(cluster, {
      seed,
      faults,
      clients,
      pauseMs: 20,
      repertoire,
      ...options,
      onFault: (text) => told.push(text),
    });
    try {
      const report = await run.run();
      process.stderr.write(`${describeCampaign(report)}\n`);
      return report;
    } catch (error) {
      throw new Error(`seed ${seed}, after: ${told.join("; ")}`, { cause: error });
    }
  };
  const expectFaultless = (report: CampaignReport, faults: number) => {
    // Too few of anything counts as not run.
    expect(report.faults).toBeGreaterThanOrEqual(faults);
    expect(report.load.acknowledged).toBeGreaterThan(faults * 10);
    const { lost, duplicated, altered, unexpected } = report.ledger;
    expect({ lost, duplicated, altered, unexpected }).toEqual({
      lost: [],
      duplicated: [],
      altered: [],
      unexpected: [],
    });
    expect({ refused: report.load.refused, unresolved: report.unresolved }).toEqual({ refused: 0, unresolved: 0 });
    expect(report.consistency).toEqual([]);
    expect(report.fence.violations).toEqual([]);
    // BANK: what the pool itself told its callers.
    expect(report.bank.acknowledged).toBeGreaterThan(faults * 5);
    expect(report.bank.violations).toEqual([]);
    expect({ unknown: report.bank.unknown, errors: report.bank.errors }).toEqual({ unknown: 0, errors: {} });
    expect(isFaultless(report)).toBe(true);
  };
  /** Every order was answered before its deadline of 5 s. */
  const expectInTime = (report: CampaignReport) => {
    expect(report.load.unknown).toBe(0);
    expect(report.slowestMs).toBeLessThan(5_000);
  };

  it("do not notice a switchover or the planned stop of any part", async () => {
    // A client with a shorter patience than a switchover takes on busy cores would count that as an error.
    const report = await campaign(plannedStops, plannedStops.length, { attemptTimeoutMs: 4_000 });
    expectFaultless(report, plannedStops.length);
    expectInTime(report);
    expect(report.load.reasons).toEqual({});
    expect(report.failovers).toBeGreaterThanOrEqual(2);
  }, 400_000);

  it("survive the death of every part, one after the other: none lost, none doubled", async () => {
    const faults = deaths.length + 4;
    const report = await campaign(deaths, faults);
    expectFaultless(report, 25);
    // Two deaths shortly after each other can meet an election of JetStream (5-7 s, compiled into NATS): then each
    // client may see one order beyond its deadline. It is told so, asks again, and finds it.
    expect(report.load.unknown).toBeLessThanOrEqual(clients);
    expect(report.takeovers).toBeGreaterThanOrEqual(2);
    expect(report.failovers).toBeGreaterThanOrEqual(2);
  }, 800_000);

  // Safety only: a client whose balancer froze learns of it by its own time-outs, and may spend its five seconds on them.
  it("survive what freezes or is cut off, and comes back to find itself replaced", async () => {
    const report = await campaign(standstills, standstills.length);
    expectFaultless(report, standstills.length);
    expect(report.takeovers).toBeGreaterThanOrEqual(1);
    expect(report.failovers).toBeGreaterThanOrEqual(1);
  }, 400_000);
});
