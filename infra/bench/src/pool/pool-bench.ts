/**
 * What continuity costs: failover-pool beside `pg.Pool` on the same primary with its synchronous standby, in the same
 * process and run, A B A B in each round. Trust the ratios; the second A against the first is what noise alone does.
 *
 *     npm run bench -w infra/bench -- pool [--callers 16] [--seconds 2] [--rounds 7] [--only "SELECT by key"]
 *     node --cpu-prof infra/bench/dist/main.js pool --contestants failover-pool --only "SELECT by key"
 */
import { FailoverPool } from "@understudy/failover-pool";
import { PostgresPair } from "@understudy/testkit";
import pg from "pg";
import { parseArgs } from "node:util";
import { markdownRow, quantile } from "../statistics.ts";
import { schema, throughput, workloads, type Throughput, type Workload } from "./workloads.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const ratio = (value: number): string => value.toFixed(3);
const median = (values: readonly number[]): number => quantile(values, 0.5);

interface Round {
  readonly plain: readonly [Throughput, Throughput];
  readonly own: readonly [Throughput, Throughput];
}

/** `(least .. most)` of the rounds behind their median. */
const spread = (values: readonly number[]): string =>
  `${ratio(median(values))} (${ratio(Math.min(...values))} .. ${ratio(Math.max(...values))})`;

function report(workload: Workload, rounds: readonly Round[]): string {
  const ratios = rounds.map(({ plain, own }) => (own[0].rate + own[1].rate) / (plain[0].rate + plain[1].rate));
  const noise = rounds.map(({ plain }) => plain[1].rate / plain[0].rate);
  const cpu = (of: "plain" | "own") =>
    median(rounds.flatMap((round) => round[of].map(({ cpuMicros }) => cpuMicros))).toFixed(0);
  const rate = (of: "plain" | "own") => median(rounds.flatMap((round) => round[of].map((one) => one.rate))).toFixed(0);
  return markdownRow([
    workload,
    rate("plain"),
    rate("own"),
    `**${spread(ratios)}**`,
    spread(noise),
    `${cpu("plain")} / ${cpu("own")}`,
  ]);
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      callers: { type: "string", default: "16" },
      seconds: { type: "string", default: "2" },
      rounds: { type: "string", default: "7" },
      only: { type: "string", default: "" },
      contestants: { type: "string", default: "pg.Pool,failover-pool" },
    },
  });
  const load = { callers: Number(values.callers), seconds: Number(values.seconds) };
  const names = (Object.keys(workloads) as Workload[]).filter((name) => values.only === "" || name === values.only);
  const pair = await PostgresPair.start();
  try {
    await pair.pool().query(schema);
    await pair.pool().query("VACUUM ANALYZE");
    const plain = pair.pool(pair.primary, { max: load.callers });
    const url = pair.url.replace("postgres@", `postgres:${encodeURIComponent(pair.password)}@`);
    // `pg.Pool`'s interface, as far as a load of queries and transactions can see.
    const own = new FailoverPool({ connectionString: url, max: load.callers }) as unknown as pg.Pool;
    try {
      const pools = { "pg.Pool": plain, "failover-pool": own };
      const asked = values.contestants.split(",");
      const single = asked.length === 1 ? pools[asked[0] as keyof typeof pools] : undefined;
      if (single !== undefined) return await alone(single, names, load);
      await compare(plain, own, names, load, Number(values.rounds));
    } finally {
      await own.end();
    }
  } finally {
    await pair.remove();
  }
}

/** For a profiler. */
async function alone(
  pool: pg.Pool,
  names: readonly Workload[],
  load: { readonly callers: number; readonly seconds: number },
): Promise<void> {
  for (const workload of names) {
    const { rate, cpuMicros } = await throughput(pool, workload, load);
    say(`${workload}: ${rate.toFixed(0)} / s, ${cpuMicros.toFixed(0)} us of this process's CPU each`);
  }
}

async function compare(
  plain: pg.Pool,
  own: pg.Pool,
  names: readonly Workload[],
  load: { readonly callers: number; readonly seconds: number },
  rounds: number,
): Promise<void> {
  const found = new Map<Workload, Round[]>(names.map((name) => [name, []]));
  for (const workload of names)
    for (const pool of [plain, own]) await throughput(pool, workload, { ...load, seconds: Math.min(1, load.seconds) });
  for (let round = 0; round < rounds; round++) {
    for (const workload of names) {
      const firstPlain = await throughput(plain, workload, load);
      const firstOwn = await throughput(own, workload, load);
      const secondPlain = await throughput(plain, workload, load);
      const secondOwn = await throughput(own, workload, load);
      found.get(workload)?.push({ plain: [firstPlain, secondPlain], own: [firstOwn, secondOwn] });
      say(JSON.stringify({ workload, round, pgPool: [firstPlain, secondPlain], failoverPool: [firstOwn, secondOwn] }));
    }
  }
  say(
    `\n${load.callers} callers, ${rounds} rounds of A B A B, ${load.seconds} s each; medians, (least .. most) of rounds\n`,
  );
  say("| work | pg.Pool, ops/s | failover-pool, ops/s | ratio | pg.Pool against itself | client CPU, us each |");
  say("|---|---|---|---|---|---|");
  for (const [workload, all] of found) say(report(workload, all));
}
