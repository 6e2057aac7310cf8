import { LocalCluster } from "@understudy/local";
import { temporaryFolder } from "@understudy/testkit";
import { describeQueueCampaign, QueueCampaign, type QueueCampaignReport } from "../src/index.ts";

describe("background jobs", () => {
  const folder = temporaryFolder("drill-queues");
  let cluster: LocalCluster;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ stateDir: folder.path, port: 0, isEncrypted: true, readyWithinMs: 120_000 });
  }, 150_000);
  afterAll(async () => {
    await cluster?.killAll();
    folder.remove();
  });

  const campaign = async (
    strikes: number,
    freezeEvery: number,
    meanwhile: readonly ("leader" | "primary" | "nats")[],
  ): Promise<QueueCampaignReport> => {
    const told: string[] = [];
    const seed = Date.now() % 1_000_000;
    try {
      const report = await QueueCampaign.run(cluster, {
        seed,
        strikes,
        freezeEvery,
        meanwhile,
        jobsEach: 20,
        onStrike: (text) => told.push(text),
      });
      process.stderr.write(`${describeQueueCampaign(report)}\n`);
      return report;
    } catch (error) {
      throw new Error(`seed ${seed}, after: ${told.join("; ")}`, { cause: error });
    }
  };
  const expectFaultless = (report: QueueCampaignReport) => {
    expect(report.violations).toEqual([]);
    // Too few of anything counts as not run.
    expect(report.struck).toBeGreaterThanOrEqual((report.kills + report.freezes) * 10);
    expect(report.abortedThenRestarted).toBeGreaterThan(0);
    expect(report.watches).toBeGreaterThan(0);
  };

  it("survive killed app servers: restartable ones run elsewhere, each effect exactly once", async () => {
    const report = await campaign(3, 0, []);
    expectFaultless(report);
    expect(report.kills).toBe(3);
  }, 300_000);

  it("survive them with a message server, the database's primary or a NATS node at the same moment, and thawed ones write nothing", async () => {
    const report = await campaign(5, 3, ["leader", "primary", "nats"]);
    expectFaultless(report);
    expect(report.freezes).toBeGreaterThanOrEqual(1);
    expect(Object.keys(report.alsoStruck).length).toBeGreaterThanOrEqual(2);
  }, 500_000);
});
