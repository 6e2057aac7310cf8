/**
 * Callers on a machine of their own. Addressed by the environment (ADDRESS, CALLERS); begins at once. Says each pause
 * between two acknowledgements that is longer than 200 ms as `{ at, pauseMs }` (wall clock of its end), and when its
 * input ends stops, checks, and says `{ acknowledged, errors, lost, doubled }`.
 */
import { FailoverPool } from "@understudy/failover-pool";
import { tableOfWrites, writeRow, Writers } from "./writers.ts";

const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const callers = Number(process.env["CALLERS"] ?? 16);
const pool = new FailoverPool({ connectionString: process.env["ADDRESS"] ?? "", max: callers });
pool.on("error", () => undefined);
await pool.query(tableOfWrites);
let last = performance.now();
const writers = new Writers(
  {
    name: "failover-pool",
    write: async (id, caller) => {
      await pool.query(writeRow, [id, caller]);
      const now = performance.now();
      if (now - last > 200) say({ at: Date.now(), pauseMs: now - last });
      last = now;
    },
    end: () => pool.end(),
  },
  callers,
);
writers.start();
say({ started: true });
process.stdin.resume();
process.stdin.once("end", () => {
  void (async () => {
    await writers.stop();
    const { lost, doubled } = await writers.check(pool);
    say({ acknowledged: writers.acknowledged.size, errors: writers.errors, lost, doubled });
    await pool.end();
    process.exit(0);
  })();
});
