/**
 * What the cluster costs when nothing happens, and how long it takes to start on a built tree.
 *
 *     npm run bench -w infra/bench -- idle [--seconds 30] [--starts 3]
 */
import { processTree } from "@understudy/engines";
import { LocalCluster } from "@understudy/local";
import { pause } from "@understudy/runtime";
import { temporaryFolder } from "@understudy/testkit";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { processCpuMs, treeCpuMs } from "../balancer/process-cpu.ts";
import { markdownRow, quantile } from "../statistics.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Proportional set size: shared pages are divided among those who share them. */
function memoryMiB(pid: number): number {
  try {
    const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
    return Number(pss ?? 0) / 1_024;
  } catch {
    return 0; // It ended in this moment.
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string", default: "30" },
      starts: { type: "string", default: "3" },
      tls: { type: "boolean", default: false },
    },
  });
  const seconds = Number(values.seconds);
  const starts: number[] = [];
  for (let index = 0; index < Number(values.starts); index++) {
    const folder = temporaryFolder("bench-idle");
    const startedAt = performance.now();
    const cluster = await LocalCluster.start({ stateDir: folder.path, port: 0, isEncrypted: values.tls });
    starts.push((performance.now() - startedAt) / 1_000);
    say(JSON.stringify({ measure: "start", readySeconds: starts.at(-1) }));
    if (index === Number(values.starts) - 1) await measure(cluster, seconds);
    await cluster.stop();
    folder.remove();
  }
  say(`\nready after ${quantile(starts, 0.5).toFixed(1)} s (median of ${starts.length}, fresh data each time)`);
}

async function measure(cluster: LocalCluster, seconds: number): Promise<void> {
  await pause(15_000);
  const rows = cluster.processes.flatMap(({ id, kind, pid }) =>
    pid === null ? [] : [{ id, kind, pid, before: treeCpuMs(pid) }],
  );
  const ownBefore = processCpuMs(process.pid);
  await pause(seconds * 1_000);
  const figures = rows.map(({ id, kind, pid, before }) => ({
    id,
    kind,
    cpuPercent: (treeCpuMs(pid) - before) / (seconds * 10),
    memoryMiB: sum(processTree(pid).map(memoryMiB)),
  }));
  figures.push({
    id: "supervisor",
    kind: "network",
    cpuPercent: (processCpuMs(process.pid) - ownBefore) / (seconds * 10),
    memoryMiB: memoryMiB(process.pid),
  });
  say("\n| process | CPU % of one core | memory MiB |\n|---|---|---|");
  for (const { id, cpuPercent, memoryMiB: memory } of figures)
    say(markdownRow([id, cpuPercent.toFixed(1), memory.toFixed(0)]));
  say(
    markdownRow([
      "**all**",
      sum(figures.map(({ cpuPercent }) => cpuPercent)).toFixed(1),
      sum(figures.map(({ memoryMiB: memory }) => memory)).toFixed(0),
    ]),
  );
}
