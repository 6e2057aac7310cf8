/**
 *     npm run drill -w infra/drill -- [--faults 100] [--seed N] [--clients 8] [--repertoire "kill leader,cut machine-c"]
 *
 * Starts a cluster of its own, strikes it, checks, prints the report; exit code 1 unless faultless.
 */
import { LocalCluster } from "@understudy/local";
import { temporaryFolder } from "@understudy/testkit";
import { parseArgs } from "node:util";
import { Campaign } from "./campaign.ts";
import { describeCampaign, isFaultless } from "./report.ts";
import { deaths, standstills } from "./faults.ts";

const { values } = parseArgs({
  options: {
    faults: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    clients: { type: "string", default: "8" },
    repertoire: { type: "string", default: [...deaths, ...standstills].join(",") },
  },
});
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const folder = temporaryFolder("drill");
const cluster = await LocalCluster.start({ stateDir: folder.path, port: 0 });
let faultless = false;
try {
  const report = await new Campaign(cluster, {
    seed: Number(values.seed),
    faults: Number(values.faults),
    clients: Number(values.clients),
    repertoire: values.repertoire.split(",").map((fault) => fault.trim()),
    onFault: say,
  }).run();
  say(describeCampaign(report));
  faultless = isFaultless(report);
} finally {
  await cluster.stop();
  folder.remove();
}
process.exit(faultless ? 0 : 1);
