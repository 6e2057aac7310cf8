/**
 * How long the cluster is without a message server, in each way of losing it.
 *
 *     npm run bench -w infra/bench -- takeover [--process 200] [--machine 20] [--freeze 20] [--hand-over 20] [--silent 10] [--etcd 10] [--tls]
 */
import { LocalCluster, standardRestartPolicy } from "@understudy/local";
import { temporaryFolder } from "@understudy/testkit";
import { parseArgs } from "node:util";
import { markdownRow, summarise } from "../statistics.ts";
import { etcdElection } from "./etcd-election.ts";
import { silentMachine } from "./silent-machine.ts";
import { ClusterView } from "./cluster-view.ts";
import { freezeProcess, handOver, killMachine, killProcess, type TakeoverRound } from "./rounds.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function repeat<Round>(name: string, count: number, round: () => Promise<Round>): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let index = 1; index <= count; index++) {
    rounds.push(await round());
    say(JSON.stringify({ measure: name, round: index, ...rounds.at(-1) }));
  }
  return rounds;
}

function table(results: ReadonlyMap<string, readonly number[]>): string {
  const rows = [...results].map(([name, values]) => {
    const { rounds, median, p99, most } = summarise(values);
    return markdownRow([name, String(rounds), median, p99, most]);
  });
  return ["| | rounds | median ms | p99 ms | maximum ms |", "|---|---|---|---|---|", ...rows].join("\n");
}

/** Prints each round as JSON and a table at the end. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      process: { type: "string", default: "200" },
      machine: { type: "string", default: "20" },
      freeze: { type: "string", default: "20" },
      "hand-over": { type: "string", default: "20" },
      silent: { type: "string", default: "10" },
      etcd: { type: "string", default: "10" },
      tls: { type: "boolean", default: false },
    },
  });
  const results = new Map<string, readonly number[]>();
  const inThisCluster = [values.process, values.machine, values.freeze, values["hand-over"]].some(
    (rounds) => Number(rounds) > 0,
  );
  if (inThisCluster) await loseMessageServers(values, results);
  results.set("machine silent: app server follows", await silentMachine(Number(values.silent), say));
  results.set(
    "etcd, shortest lease, leading client killed: next elected",
    await etcdElection(Number(values.etcd), say),
  );
  for (const [name, rounds] of results) if (rounds.length === 0) results.delete(name);
  say(`\n${table(results)}`);
}

async function loseMessageServers(
  values: Readonly<Record<"process" | "machine" | "freeze" | "hand-over", string>> & { readonly tls: boolean },
  results: Map<string, readonly number[]>,
): Promise<void> {
  const folder = temporaryFolder("bench-takeover");
  const cluster = await LocalCluster.start({
    stateDir: folder.path,
    port: 0,
    isEncrypted: values.tls,
    // Killed all the time: the waits must not grow.
    restart: { ...standardRestartPolicy, steadyMs: 0 },
  });
  const view = await ClusterView.open(cluster);
  const keep = (name: string, rounds: readonly TakeoverRound[]) => {
    results.set(
      `${name}: noticed`,
      rounds.map(({ noticedMs }) => noticedMs),
    );
    results.set(
      `${name}: elected`,
      rounds.map(({ electedMs }) => electedMs),
    );
    results.set(
      `${name}: first command accepted`,
      rounds.map(({ acceptedMs }) => acceptedMs),
    );
  };
  try {
    keep("process killed", await repeat("process", Number(values.process), () => killProcess(view)));
    keep("machine killed", await repeat("machine", Number(values.machine), () => killMachine(view, cluster)));
    keep("process frozen", await repeat("freeze", Number(values.freeze), () => freezeProcess(view)));
    const gaps = await repeat("hand-over", Number(values["hand-over"]), () => handOver(view));
    results.set(
      "hand-over: longest gap between answered commands",
      gaps.map(({ gapMs }) => gapMs),
    );
  } finally {
    await view.close();
    await cluster.stop();
    folder.remove();
  }
}
