/**
 *     npm run drill -w infra/drill -- [--faults 100] [--seed N] [--clients 8] [--repertoire "kill leader,cut machine-c"]
 *     npm run drill -- queues [--faults 50] [--seed N] [--jobs 20]     app servers with running jobs
 *
 * Starts a cluster of its own, strikes it, checks, prints the report; exit code 1 unless faultless.
 */
import { LocalCluster } from "@understudy/local";
import { temporaryFolder } from "@understudy/testkit";
import { cpSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Campaign } from "./campaign.ts";
import { describeQueueCampaign, isQueueFaultless, QueueCampaign } from "./queue-campaign.ts";
import { describeCampaign, isFaultless } from "./report.ts";
import { deaths, standstills } from "./faults.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: "string", default: "20" },
    faults: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    clients: { type: "string", default: "8" },
    repertoire: { type: "string", default: [...deaths, ...standstills].join(",") },
  },
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const folder = temporaryFolder("drill");
const cluster = await LocalCluster.start({ stateDir: folder.path, port: 0, isEncrypted: true });
let faultless = false;
try {
  faultless = positionals[0] === "queues" ? await drillQueues() : await drillOrders();
} finally {
  await cluster.stop();
  if (!faultless) say(`What the parts said: ${keepLogs(folder.path)}`);
  folder.remove();
}
process.exit(faultless ? 0 : 1);

/** The temporary folder goes with this process. */
function keepLogs(state: string): string {
  const kept = mkdtempSync(join(tmpdir(), "understudy-drill-logs-"));
  cpSync(join(state, "logs"), kept, { recursive: true });
  return kept;
}

async function drillQueues(): Promise<boolean> {
  const report = await QueueCampaign.run(cluster, {
    seed: Number(values.seed),
    strikes: Number(values.faults ?? "50"),
    freezeEvery: 5,
    meanwhile: ["leader", "primary", "nats"],
    jobsEach: Number(values.jobs),
    onStrike: say,
  });
  say(describeQueueCampaign(report));
  return isQueueFaultless(report);
}

async function drillOrders(): Promise<boolean> {
  const report = await new Campaign(cluster, {
    seed: Number(values.seed),
    faults: Number(values.faults ?? "100"),
    clients: Number(values.clients),
    repertoire: values.repertoire.split(",").map((fault) => fault.trim()),
    onFault: say,
  }).run();
  say(describeCampaign(report));
  return isFaultless(report);
}
