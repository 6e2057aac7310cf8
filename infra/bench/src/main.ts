/** `npm run bench -w infra/bench -- <name> [options]`: one measurement by name. */

interface Bench {
  readonly load: () => Promise<{ run: (args: readonly string[]) => Promise<void> }>;
  /** Its options with their defaults. */
  readonly usage: string;
}

const benches: Readonly<Record<string, Bench>> = {
  takeover: {
    load: () => import("./takeover/takeover.ts"),
    usage: "--process 200 --machine 20 --freeze 20 --hand-over 20 --silent 10 --etcd 10 [--tls]   rounds of each",
  },
  failover: {
    load: () => import("./failover/failover.ts"),
    usage:
      "--kill 20 --plain 10 --machine 10 --freeze 10 --switchover 20 --silent 5 --callers 16 [--tls]   rounds of each",
  },
  queues: {
    load: () => import("./queues/queues-bench.ts"),
    usage: `--rounds 5 --parts single,bulk,drain1,drain2,latency --jobs 50000 [--own] [--only "work-queue;floor: bare SQL"]`,
  },
  pool: {
    load: () => import("./pool/pool-bench.ts"),
    usage: "--seconds 2 --rounds 7 --callers 16 [--contestants pg.Pool,failover-pool] [--only ..]",
  },
  balancer: {
    load: () => import("./balancer/balancer-bench.ts"),
    usage: "--rounds=5 --seconds=3 --only=own,haproxy,bare,direct --parts=load,kill",
  },
  idle: { load: () => import("./idle/idle.ts"), usage: "--starts 3 --seconds 30 [--tls]" },
  saturated: { load: () => import("./saturated/saturated.ts"), usage: "--minutes 10" },
};

const [name = "--help", ...args] = process.argv.slice(2);
const bench = benches[name];
if (bench === undefined || args.includes("--help")) {
  const known = Object.entries(benches).filter(([each]) => bench === undefined || each === name);
  const text = known.map(([each, { usage }]) => `  ${each.padEnd(10)} ${usage}`).join("\n");
  console.log(`npm run bench -w infra/bench -- <measurement> [options, here with their defaults]\n\n${text}`);
  process.exit(name === "--help" || bench !== undefined ? 0 : 2);
}
const { run } = await bench.load();
await run(args);
process.exit(0);
