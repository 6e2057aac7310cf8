/** `npm run bench -w infra/bench -- <name> [options]`: one measurement by name. */

const benches: Readonly<Record<string, () => Promise<{ run: (args: readonly string[]) => Promise<void> }>>> = {
  balancer: () => import("./balancer/balancer-bench.ts"),
  takeover: () => import("./takeover/takeover.ts"),
  idle: () => import("./idle/idle.ts"),
  failover: () => import("./failover/failover.ts"),
  pool: () => import("./pool/pool-bench.ts"),
  queues: () => import("./queues/queues-bench.ts"),
  saturated: () => import("./saturated/saturated.ts"),
};

const [name = "", ...args] = process.argv.slice(2);
const load = benches[name];
if (load === undefined) {
  console.error(`Which measurement? One of: ${Object.keys(benches).join(", ")}.`);
  process.exit(2);
}
const { run } = await load();
await run(args);
process.exit(0);
