/**
 * The peer: an election through etcd (three local nodes, heartbeat 100 ms, election 1,000 ms) with the shortest lease it
 * grants. The leading client is killed; milliseconds until the next one is elected. Needs Debian's etcd-server.
 */
import { freePorts } from "@understudy/engines";
import { pause } from "@understudy/runtime";
import { eventually, registered, temporaryFolder } from "@understudy/testkit";
import { execFileSync, fork, spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const elector = fileURLToPath(new URL("./etcd-elector-process.js", import.meta.url));

const watched = (child: ChildProcess): ChildProcess => {
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once("exit", (code, signal) => resolve({ code, signal })),
  );
  registered({ pid: child.pid, exited });
  return child;
};

const isInstalled = (): boolean => {
  try {
    execFileSync("etcd", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

export async function etcdElection(rounds: number, say: (text: string) => void): Promise<number[]> {
  if (rounds === 0) return [];
  if (!isInstalled()) {
    say("etcd: skipped, not installed (Debian: etcd-server)");
    return [];
  }
  const folder = temporaryFolder("bench-etcd");
  const ports = await freePorts(6);
  const names = ["e0", "e1", "e2"];
  const peers = names.map((name, index) => `${name}=http://127.0.0.1:${ports[index + 3]}`).join(",");
  const endpoints = names.map((_, index) => `http://127.0.0.1:${ports[index]}`);
  const nodes = names.map((name, index) =>
    watched(
      spawn(
        "etcd",
        [
          "--name",
          name,
          "--data-dir",
          join(folder.path, name),
          "--listen-client-urls",
          endpoints[index] ?? "",
          "--advertise-client-urls",
          endpoints[index] ?? "",
          "--listen-peer-urls",
          `http://127.0.0.1:${ports[index + 3]}`,
          "--initial-advertise-peer-urls",
          `http://127.0.0.1:${ports[index + 3]}`,
          "--initial-cluster",
          peers,
          "--heartbeat-interval",
          "100",
          "--election-timeout",
          "1000",
        ],
        { stdio: "ignore" },
      ),
    ),
  );
  const results: number[] = [];
  try {
    await eventually(async () => (await fetch(`${endpoints[0]}/health`)).ok, {
      withinMs: 20_000,
      describe: "etcd is healthy",
    });
    for (let round = 1; round <= rounds; round++) {
      const candidate = (which: number) => {
        const child = watched(fork(elector, [endpoints[which] ?? "", `round-${round}`]));
        return { child, elected: new Promise<number>((resolve) => child.on("message", (at: number) => resolve(at))) };
      };
      const first = candidate(0);
      await first.elected;
      const second = candidate(1);
      await pause(1_000 + Math.random() * 1_000);
      const killedAt = Date.now();
      first.child.kill("SIGKILL");
      const electedMs = (await second.elected) - killedAt;
      second.child.kill("SIGKILL");
      results.push(electedMs);
      say(JSON.stringify({ measure: "etcd", round, electedMs }));
    }
  } finally {
    for (const node of nodes) node.kill("SIGKILL");
    folder.remove();
  }
  return results;
}
