/**
 *     npm run test:compose [-- --keep] [--no-build] [--steps calm,kill,cut,upgrade,stop,power,order,secrets]
 *
 * Builds the images, starts the cluster under a project name of its own, strikes it, checks, prints the table of pauses,
 * removes everything; exit code 1 unless faultless. `--keep` leaves the cluster there.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ContainerCampaign, isFaultless } from "./campaign.ts";
import { ClusterView } from "./cluster-view.ts";
import { Containers } from "./containers.ts";
import { Engine } from "./engine.ts";
import { checkImage } from "./image-check.ts";
import { pauseTable, type StepReport } from "./pauses.ts";
import { checkSecretFaults } from "./secret-faults.ts";
import { newerImages } from "./newer-images.ts";

const allSteps = ["calm", "kill", "cut", "upgrade", "stop", "power", "order", "secrets"] as const;
const { values } = parseArgs({
  options: {
    folder: { type: "string", default: join(import.meta.dirname, "../../..") },
    keep: { type: "boolean", default: false },
    "no-build": { type: "boolean", default: false },
    steps: { type: "string", default: allSteps.join(",") },
    kill: { type: "string" },
    clients: { type: "string", default: "4" },
  },
});
const steps = new Set(values.steps.split(","));
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const port = process.env["UNDERSTUDY_PORT"] ?? "18080";
const host = process.env["UNDERSTUDY_TEST_HOST"] ?? "localhost";
const tag = "test";

const engine = await Engine.find({
  folder: values.folder,
  project: "understudy-test",
  environment: { UNDERSTUDY_PORT: port, UNDERSTUDY_TAG: tag, UNDERSTUDY_FRONT_TAG: tag, COMPOSE_PROFILES: "demo" },
});
const containers = new Containers(engine);
const view = new ClusterView(engine, containers);
const faults: string[] = [];
const reports: StepReport[] = [];
const startedAt = performance.now();
const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(0)} s`;
const showStep = (report: StepReport): void => {
  reports.push(report);
  say(`${report.step}: whole again after ${report.seconds.toFixed(0)} s, longest pause ${report.longestPauseMs} ms`);
};

const down = () => engine.compose(["down", "-v", "--remove-orphans", "-t", "5"]);

async function build(): Promise<void> {
  const since = performance.now();
  await engine.compose(["build"]);
  say(`built in ${seconds(since)}`);
}

async function images(): Promise<void> {
  const rules = [
    { image: `understudy/service:${tag}`, base: "node:24-bookworm-slim", mostAddedMb: 150, parts: ["fastify", "pg"] },
    { image: `understudy/keeper:${tag}`, base: "postgres:18-bookworm", mostAddedMb: 150, parts: ["pg", "pino"] },
  ];
  for (const rule of rules) {
    const report = await checkImage(engine, rule);
    faults.push(...report.faults.map((fault) => `${report.image} ${fault}`));
    say(`${report.image}: ${report.addedMb.toFixed(0)} MB beside its base, ${report.parts} parts listed`);
  }
}

async function strike(): Promise<void> {
  const campaign = new ContainerCampaign(engine, containers, view, {
    url: `https://${host}:${port}`,
    authority: await engine.docker([
      "exec",
      (await containers.of("load-balancer-b")).id,
      "cat",
      "/run/understudy/tls.crt",
    ]),
    clients: Number(values.clients),
    ...(values.kill !== undefined && { killed: values.kill.split(",") }),
    onStep: showStep,
  });
  await campaign.start();
  let isOver = false;
  try {
    if (steps.has("calm")) await campaign.calm();
    if (steps.has("kill")) await campaign.killEach();
    if (steps.has("cut")) await campaign.cutEach();
    if (steps.has("upgrade")) {
      const report = await campaign.renew(await newerImages(engine, tag));
      if (report.repeated > 0 || report.unknown > 0)
        faults.push(`the upgrade failed attempts of ${report.repeated} orders`);
    }
    if (steps.has("stop")) await campaign.stopAndStart();
    if (steps.has("power")) await campaign.killAll();
    if (steps.has("order")) await campaign.startInAnyOrder();
    const verdict = await campaign.verdict();
    isOver = true;
    const { load, ledger, unresolved, consistency } = verdict;
    say(
      `\norders: ${load.acknowledged} acknowledged in ${load.seconds.toFixed(0)} s, ${load.repeated} repeated, ${load.unknown} unknown at their deadline, ${unresolved} unresolved; ` +
        `lost ${ledger.lost.length}, doubled ${ledger.duplicated.length}, altered ${ledger.altered.length}, unexpected ${ledger.unexpected.length}; ` +
        `consistency: ${consistency.map(({ condition }) => condition).join("; ") || "holds"}`,
    );
    say(`attempts that did not succeed: ${JSON.stringify(load.reasons)}`);
    if (!isFaultless(verdict)) faults.push("orders were lost, doubled, refused or left inconsistent");
  } finally {
    if (!isOver) await campaign.stop();
  }
}

try {
  await down();
  if (!values["no-build"]) await build();
  await images();
  const since = performance.now();
  await engine.compose(["up", "-d", "--no-build"]);
  await view.open();
  await view.whole();
  say(`up and whole after ${seconds(since)}`);
  await strike();
  if (steps.has("secrets")) faults.push(...(await checkSecretFaults(engine, tag, say)));
} catch (error) {
  faults.push((error as Error).message);
} finally {
  await view.close();
  if (!values.keep) await down().catch((error: Error) => faults.push(error.message));
}
say(`\n${pauseTable(reports)}\n`);
for (const fault of faults) say(`FAULT: ${fault}`);
say(faults.length === 0 ? `faultless, ${seconds(startedAt)}` : `${faults.length} faults, ${seconds(startedAt)}`);
process.exit(faults.length === 0 ? 0 : 1);
