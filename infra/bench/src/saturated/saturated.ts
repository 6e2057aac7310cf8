/**
 * Both cores saturated by other processes: does anybody take over, or get lost, without a reason?
 *
 *     npm run bench -w infra/bench -- saturated [--minutes 10]
 */
import { readHistory } from "@understudy/contracts";
import { LocalCluster } from "@understudy/local";
import { call, pause } from "@understudy/runtime";
import { registered, temporaryFolder } from "@understudy/testkit";
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { ClusterView } from "../takeover/cluster-view.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function hog(): ReturnType<typeof spawn> {
  const child = spawn(process.execPath, ["-e", "for (;;) Math.sqrt(Math.random());"], { stdio: "ignore" });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once("exit", (code, signal) => resolve({ code, signal })),
  );
  registered({ pid: child.pid, exited });
  return child;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { minutes: { type: "string", default: "10" } } });
  const folder = temporaryFolder("bench-saturated");
  const cluster = await LocalCluster.start({ stateDir: folder.path, port: 0 });
  const view = await ClusterView.open(cluster);
  const hogs: ReturnType<typeof spawn>[] = [];
  try {
    const before = await view.settled();
    for (let index = 0; index < availableParallelism(); index++) hogs.push(hog());
    await pause(Number(values.minutes) * 60_000);
    const after = await view.status();
    const { entries } = await call(view.connection, readHistory, { limit: 1_000 }, { timeoutMs: 10_000 });
    const since = entries.filter(({ at }) => at > Date.now() - Number(values.minutes) * 60_000);
    const lost = since.filter((entry) => entry.type === "instance" && entry.event === "lost");
    say(`${values.minutes} minutes with ${hogs.length} busy processes on ${availableParallelism()} cores:`);
    say(`takeovers ${after.leader.term - before.leader.term}, declared lost ${lost.length}`);
    for (const entry of since) say(`  ${new Date(entry.at).toISOString()} ${entry.summary}`);
  } finally {
    for (const child of hogs) child.kill("SIGKILL");
    await view.close();
    await cluster.stop();
    folder.remove();
  }
}
