/** FAULTS row 3 for the pool alone, without keepers and without news: kill, silence, freeze, under load. */
import { eventually, PostgresPair } from "@understudy/testkit";
import { FailoverPool } from "@understudy/failover-pool";
import { check, Load, prepareLoad, wholeSum } from "./load.ts";

let pair: PostgresPair;
let pool: FailoverPool;

const callers = 8;

beforeEach(async () => {
  pair = await PostgresPair.start({ links: true });
  await prepareLoad(pair.pool());
  pool = new FailoverPool({ connectionString: pair.url, password: pair.password, max: callers });
});

afterEach(async () => {
  await pool.end();
  await pair.remove();
});

async function hold(load: Load): Promise<void> {
  await load.more(100);
  const report = await load.stop();
  expect(report.errors).toEqual([]);
  const checked = await check((text) => pair.primary.query(text), report);
  expect(checked).toEqual({ lost: 0, doubled: 0, sum: wholeSum });
  expect(pool.figures.unresolved).toBe(0);
}

it("when the primary is killed, callers see no error and everything happened once", async () => {
  const load = new Load(pool, callers);
  await load.more(100);
  await pair.a.kill();
  await pair.promote();
  await hold(load);
  expect(pool.figures.primary).toBe("postgres-b");
});

it("when the primary's machine falls silent, callers go on at the other within seconds", async () => {
  const load = new Load(pool, callers);
  await load.more(100);
  pair.a.link?.cut();
  await pair.promote();
  await hold(load);
  expect(load.report.longestMs).toBeLessThan(10_000);
  expect(pool.figures.primary).toBe("postgres-b");
  // The zombie can be reached again, and is not used.
  pair.a.link?.heal();
  await pool.query("SELECT 1");
  expect(pool.figures.primary).toBe("postgres-b");
});

it("when the primary is frozen and thawed, the zombie is refused", async () => {
  const load = new Load(pool, callers);
  await load.more(100);
  pair.a.freeze();
  await pair.promote();
  await load.more(100);
  pair.a.thaw();
  await hold(load);
  expect(pool.figures.primary).toBe("postgres-b");
});

it("without a primary callers are held, and told why in the end", async () => {
  const impatient = new FailoverPool({
    connectionString: pair.url,
    password: pair.password,
    max: 2,
    holdMaxMs: 700,
    holdMaxCallers: 4,
  });
  await impatient.query("SELECT 1");
  await pair.a.kill();
  const answers = await Promise.allSettled(Array.from({ length: 10 }, () => impatient.query("SELECT 1")));
  const told = answers.map((answer) => (answer.status === "rejected" ? String(answer.reason) : "answered"));
  expect(told.every((text) => text.startsWith("DatabaseUnavailableError"))).toBe(true);
  expect(told.some((text) => text.includes("postgres-b: is a standby"))).toBe(true);
  await impatient.end();
});

it("a standby is asked over one connection for as long as a primary is sought: a login costs milliseconds", async () => {
  const { link } = pair.b;
  if (link === undefined) throw new Error("There is no link.");
  await pool.query("SELECT 1");
  const before = link.counters;
  await pair.a.kill();
  const waiting = pool.query("SELECT 1 AS one");
  // Each round asks some 400 bytes.
  await eventually(() => link.counters.bytesToTarget - before.bytesToTarget > 4_000);
  // None, where the one from before is still open.
  expect(link.counters.accepted - before.accepted).toBeLessThanOrEqual(1);
  await pair.promote();
  expect((await waiting).rows).toEqual([{ one: 1 }]);
  // What nobody asks again is closed: one connection of the pool's own is left.
  await eventually(() => link.counters.open === 1);
});

it("news of a new primary cut a wait short, and news of an old one change nothing", async () => {
  let tell: (hint: { primary?: string; timeline?: number }) => void = () => undefined;
  const informed = new FailoverPool({
    connectionString: pair.url,
    password: pair.password,
    news: {
      subscribe(listener) {
        tell = listener;
        return () => undefined;
      },
    },
  });
  await informed.query("SELECT 1");
  tell({ primary: "postgres-b", timeline: 99 });
  expect((await informed.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  expect(informed.figures.primary).toBe("postgres-a");
  await pair.a.kill();
  const waiting = informed.query("SELECT 2 AS two");
  await pair.promote();
  tell({ primary: "postgres-b", timeline: 2 });
  expect((await waiting).rows).toEqual([{ two: 2 }]);
  await informed.end();
});
