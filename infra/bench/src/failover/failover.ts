/**
 * How long writers wait when the database's primary is lost, in each way of losing it, and what they were told wrongly.
 *
 *     npm run bench -w infra/bench -- failover [--kill 20] [--plain 10] [--machine 10] [--freeze 10] [--switchover 20] [--silent 5] [--callers 16]
 *
 * `--plain` rounds of `kill` are those of `pg.Pool` with a retry loop, in turn with ours (A B A B).
 */
import { switchDatabase } from "@understudy/contracts";
import { signalTree } from "@understudy/engines";
import { FailoverPool } from "@understudy/failover-pool";
import { LocalCluster, standardRestartPolicy } from "@understudy/local";
import { call, pause } from "@understudy/runtime";
import { eventually, temporaryFolder } from "@understudy/testkit";
import { parseArgs } from "node:util";
import pg from "pg";
import { markdownRow, summarise } from "../statistics.ts";
import { ClusterView } from "../takeover/cluster-view.ts";
import { addressOfAll, failoverPool, RetryingPool, type Instance } from "./contestants.ts";
import { DatabaseView } from "./database-view.ts";
import { silentPrimary } from "./silent-primary.ts";
import { tableOfWrites, Writers, type Contestant, type Interruption } from "./writers.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const database = "understudy";

interface Round extends Interruption {
  readonly errors: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly doubled: number;
}

type Fault = "kill" | "machine" | "freeze" | "switchover";

class FailoverBench {
  constructor(
    private readonly cluster: LocalCluster,
    private readonly view: ClusterView,
    private readonly database: DatabaseView,
    private readonly callers: number,
  ) {}

  get instances(): readonly Instance[] {
    return this.cluster.runFile.databases[0]?.instances ?? [];
  }

  async round(fault: Fault, contestant: Contestant): Promise<Round> {
    const entry = await this.database.protected();
    const writers = new Writers(contestant, this.callers);
    const startedAt = performance.now();
    writers.start();
    await eventually(() => writers.backSince(startedAt) === this.callers, { withinMs: 30_000, describe: "all write" });
    await pause(1_000);
    const faultAt = performance.now();
    await this.#strike(fault, entry.primary);
    await pause(200);
    await eventually(() => writers.backSince(performance.now() - 150) === this.callers, {
      withinMs: 60_000,
      describe: "all callers write again",
    });
    await pause(500);
    await writers.stop();
    if (fault === "freeze") await this.cluster.control("thaw", entry.primary).catch(() => undefined);
    const primary = await this.database.protected();
    const url = this.instances.find(({ id }) => id === primary.primary)?.url;
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    const checked = await writers.check(pool);
    await pool.end();
    const errors = writers.errors + (contestant instanceof RetryingPool ? contestant.failed : 0);
    return { ...writers.interruption(faultAt), errors, acknowledged: writers.acknowledged.size, ...checked };
  }

  async #strike(fault: Fault, primary: string): Promise<void> {
    switch (fault) {
      case "kill":
        signalTree(this.view.pidOf(primary), "SIGKILL");
        return;
      case "machine": {
        const machine = this.cluster.processes.find(({ id }) => id === primary)?.machine;
        await this.cluster.control("kill", machine ?? "");
        return;
      }
      case "freeze":
        await this.cluster.control("freeze", primary);
        return;
      case "switchover":
        await call(this.view.connection, switchDatabase, { database }, { timeoutMs: 10_000 });
    }
  }
}

const numbers = ["kill", "plain", "machine", "freeze", "switchover", "silent", "callers"] as const;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kill: { type: "string", default: "20" },
      plain: { type: "string", default: "10" },
      machine: { type: "string", default: "10" },
      freeze: { type: "string", default: "10" },
      switchover: { type: "string", default: "20" },
      silent: { type: "string", default: "5" },
      callers: { type: "string", default: "16" },
      tls: { type: "boolean", default: false },
    },
  });
  const count = Object.fromEntries(numbers.map((name) => [name, Number(values[name])])) as Counts;
  const rounds = new Map<string, Round[]>();
  if (count.kill + count.plain + count.machine + count.freeze + count.switchover > 0)
    await inCluster(count, rounds, values.tls);
  const silence = await silentPrimary(count.silent, count.callers, say);
  say(
    "\n| | rounds | writers wait: median ms | p99 | maximum | all callers back: median | errors | acknowledged | lost | doubled |",
  );
  say("|---|---|---|---|---|---|---|---|---|---|");
  for (const [name, all] of rounds) {
    // A switchover's checkpoint costs callers nothing, so what counts from its request on is how long they waited.
    const first = summarise(all.map((round) => (name === "switchover" ? round.pauseMs : round.resumedMs)));
    const back = summarise(all.map(({ allBackMs }) => allBackMs));
    const sum = (read: (round: Round) => number) => String(all.reduce((total, round) => total + read(round), 0));
    say(
      markdownRow([
        name,
        String(all.length),
        first.median,
        first.p99,
        first.most,
        back.median,
        sum(({ errors }) => errors),
        sum(({ acknowledged }) => acknowledged),
        sum(({ lost }) => lost),
        sum(({ doubled }) => doubled),
      ]),
    );
  }
  if (silence === undefined) return;
  const { rounds: silences, median, p99, most } = summarise(silence.resumedMs);
  const { errors, acknowledged, lost, doubled } = silence;
  say(
    markdownRow([
      "machine silent",
      String(silences),
      median,
      p99,
      most,
      "",
      ...[errors, acknowledged, lost, doubled].map(String),
    ]),
  );
}

type Counts = Readonly<Record<(typeof numbers)[number], number>>;

async function inCluster(count: Counts, rounds: Map<string, Round[]>, isEncrypted: boolean): Promise<void> {
  const folder = temporaryFolder("bench-failover");
  const cluster = await LocalCluster.start({
    stateDir: folder.path,
    port: 0,
    isEncrypted,
    restart: { ...standardRestartPolicy, steadyMs: 0 },
  });
  const view = await ClusterView.open(cluster);
  const instances = (): readonly Instance[] => cluster.runFile.databases[0]?.instances ?? [];
  const bench = new FailoverBench(cluster, view, new DatabaseView(view.connection, database, instances), count.callers);
  const measure = async (name: string, fault: Fault, contestant: Contestant) => {
    try {
      const round = await bench.round(fault, contestant);
      rounds.set(name, [...(rounds.get(name) ?? []), round]);
      say(JSON.stringify({ measure: name, ...round }));
    } finally {
      await contestant.end();
    }
  };
  try {
    const owner = new FailoverPool({ connectionString: cluster.databaseUrl, max: 1 });
    await owner.query(tableOfWrites);
    await owner.end();
    say(`address: ${addressOfAll(instances()).replace(/:[^:@/]*@/, ":...@")}`);
    for (let index = 0; index < Math.max(count.kill, count.plain); index++) {
      if (index < count.kill) await measure("postgres killed", "kill", failoverPool(bench.instances, count.callers));
      if (index < count.plain) {
        await measure("postgres killed, pg.Pool retrying", "kill", new RetryingPool(bench.instances, count.callers));
      }
    }
    for (const fault of ["machine", "freeze", "switchover"] as const) {
      const name = { machine: "machine killed", freeze: "postgres frozen", switchover: "switchover" }[fault];
      for (let index = 0; index < count[fault]; index++) {
        await measure(name, fault, failoverPool(bench.instances, count.callers));
      }
    }
  } finally {
    await view.close();
    await cluster.stop();
    folder.remove();
  }
}
