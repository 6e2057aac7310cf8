/**
 * work-queue beside graphile-worker, pg-boss and BullMQ (redis where Debian's redis-server is installed, and
 * PostgreSQL), and beside bare SQL, on one stand-alone PostgreSQL with its durable defaults, all in the same Node, in
 * turn in each round. Trust the ratios.
 *
 *     npm run bench -w infra/bench -- queues [--rounds 5] [--parts single,bulk,drain1,drain2,latency]
 *                                            [--only "work-queue;floor: bare SQL"] [--jobs 50000]
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { PostgresServer } from "@understudy/testkit";
import { markdownRow, quantile } from "../statistics.ts";
import type { Target } from "./adapter.ts";
import { ContestantHandle } from "./contestant-handle.ts";
import { contestants, type Part } from "./contestants.ts";
import { installedPeers } from "./peers-folder.ts";
import { startRedis } from "./redis-server.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Setting {
  readonly node: string;
  readonly target: Target;
  readonly jobs: number;
  readonly singles: number;
  readonly seconds: number;
}

type Figures = Readonly<Record<string, number>>;
interface Handled {
  readonly handled: number;
  readonly firstNs?: string;
}

const callers = 16;
const batch = 1_000;
const everyMs = 20;
const patienceMs = 120_000;

async function withProducer<Result>(
  { node, target }: Setting,
  name: string,
  work: (producer: ContestantHandle) => Promise<Result>,
): Promise<Result> {
  const producer = ContestantHandle.start(node, name, target);
  try {
    await producer.ask({ order: "reset" });
    await producer.ask({ order: "produce" });
    return await work(producer);
  } finally {
    await producer.kill();
  }
}

const single = (setting: Setting, name: string): Promise<Figures> =>
  withProducer(setting, name, async (producer) => ({
    single: await producer.ask<number>({ order: "single", jobs: setting.singles, callers }),
  }));

const bulk = (setting: Setting, name: string): Promise<Figures> =>
  withProducer(setting, name, async (producer) => ({
    bulk: await producer.ask<number>({ order: "bulk", jobs: setting.jobs, batch }),
  }));

/**
 * Everything handled and acknowledged, counted from the first handler on. Jobs that are left are counted only once all
 * were handled: counting 50,000 rows all the time would take half a core from whoever is measured.
 */
const drain = (setting: Setting, name: string, processes: number): Promise<Figures> =>
  withProducer(setting, name, async (producer) => {
    await producer.ask({ order: "bulk", jobs: setting.jobs, batch });
    const all = await producer.ask<number>({ order: "pending" });
    const consumers = Array.from({ length: processes }, () =>
      ContestantHandle.start(setting.node, name, setting.target),
    );
    try {
      for (const consumer of consumers) await consumer.ask({ order: "consume", isLatency: false });
      await pause(300);
      for (const consumer of consumers) await consumer.ask({ order: "go" });
      let counts: Handled[] = [];
      const giveUpMs = performance.now() + patienceMs;
      for (let handled = 0; handled < all;) {
        await pause(3);
        counts = await Promise.all(consumers.map((consumer) => consumer.ask<Handled>({ order: "handled" })));
        handled = counts.reduce((sum, count) => sum + count.handled, 0);
        if (performance.now() > giveUpMs) throw new Error(`${name}: ${handled} of ${all} jobs were handled`);
      }
      while ((await producer.ask<number>({ order: "pending" })) > 0) await pause(3);
      const endNs = process.hrtime.bigint();
      const begins = counts.flatMap(({ firstNs }) => (firstNs === undefined ? [] : [BigInt(firstNs)]));
      const beginNs = begins.reduce((one, other) => (one < other ? one : other));
      return { [`drain${processes}`]: all / (Number(endNs - beginNs) / 1e9) };
    } finally {
      await Promise.all(consumers.map((consumer) => consumer.kill()));
    }
  });

const latency = (setting: Setting, name: string): Promise<Figures> =>
  withProducer(setting, name, async (producer) => {
    const consumer = ContestantHandle.start(setting.node, name, setting.target);
    try {
      await consumer.ask({ order: "consume", isLatency: true });
      await consumer.ask({ order: "go" });
      await pause(1_000);
      await producer.ask({ order: "paced", jobs: 40, everyMs });
      await pause(1_500);
      await consumer.ask({ order: "latencies" });
      const jobs = (setting.seconds * 1_000) / everyMs;
      await producer.ask({ order: "paced", jobs, everyMs });
      const all: number[] = [];
      for (let tries = 0; tries < 50 && all.length < jobs; tries++) {
        await pause(100);
        all.push(...(await consumer.ask<number[]>({ order: "latencies" })));
      }
      if (all.length < jobs) throw new Error(`${name}: ${all.length} of ${jobs} jobs were started`);
      return { p50: quantile(all, 0.5), p99: quantile(all, 0.99) };
    } finally {
      await consumer.kill();
    }
  });

const measures: Readonly<Record<Part, (setting: Setting, name: string) => Promise<Figures>>> = {
  single,
  bulk,
  drain1: (setting, name) => drain(setting, name, 1),
  drain2: (setting, name) => drain(setting, name, 2),
  latency,
};

const columns = ["single", "bulk", "drain1", "drain2", "p50", "p99"] as const;

function report(found: ReadonlyMap<string, readonly Figures[]>): void {
  say(
    "\n| | single, 16 callers, jobs/s | bulk of 1,000, jobs/s | drain, 1 process | 2 processes | enqueue to start p50, ms | p99 |",
  );
  say("|---|---|---|---|---|---|---|");
  for (const [name, figures] of found) {
    const cells = columns.map((column) => {
      const values = figures.flatMap((one) => one[column] ?? []);
      if (values.length === 0) return "-";
      const digits = column.startsWith("p") ? 2 : 0;
      const text = (value: number) => (digits === 0 ? Math.round(value).toLocaleString("en") : value.toFixed(digits));
      return `${text(quantile(values, 0.5))} (${text(Math.min(...values))} .. ${text(Math.max(...values))})`;
    });
    say(markdownRow([name, ...cells]));
  }
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "5" },
      parts: { type: "string", default: "single,bulk,drain1,drain2,latency" },
      only: { type: "string", default: "" },
      jobs: { type: "string", default: "50000" },
      singles: { type: "string", default: "5000" },
      seconds: { type: "string", default: "5" },
      own: { type: "boolean", default: false },
    },
  });
  const asked = values.only === "" ? undefined : new Set(values.only.split(";"));
  const redis = await startRedis();
  if (redis === undefined) say("redis-server is not installed: BullMQ is measured on PostgreSQL only.");
  const entries = Object.entries(contestants).filter(
    ([name, { needsRedis, isPeer }]) =>
      (asked?.has(name) ?? true) && !(needsRedis && redis === undefined) && !(values.own && isPeer),
  );
  const peers = entries.some(([, { isPeer }]) => isPeer) ? installedPeers(say) : { folder: "", node: process.execPath };
  // PostgreSQL's own defaults, but for the address.
  const server = await PostgresServer.start({ settings: { shared_buffers: "128MB", max_connections: "100" } });
  const url = server.url.replace("postgres@", `postgres:${encodeURIComponent(server.password)}@`);
  const setting: Setting = {
    node: peers.node,
    target: { url, redisPort: redis?.port, peers: peers.folder },
    jobs: Number(values.jobs),
    singles: Number(values.singles),
    seconds: Number(values.seconds),
  };
  const found = new Map<string, Figures[]>(entries.map(([name]) => [name, []]));
  try {
    say(
      `load average at the beginning: ${loadavg()
        .map((load) => load.toFixed(2))
        .join(" ")}`,
    );
    for (const part of values.parts.split(",") as Part[])
      for (let round = 1; round <= Number(values.rounds); round++)
        for (const [name, { parts }] of entries) {
          if (!parts.includes(part)) continue;
          const figures = await measures[part](setting, name).catch((error: unknown) => {
            say(JSON.stringify({ part, round, name, error: String(error) }));
            return {};
          });
          found.get(name)?.push(figures);
          say(JSON.stringify({ part, round, name, ...figures }));
        }
    report(found);
  } finally {
    await server.remove();
    await redis?.stop();
  }
}
