import { setTimeout as pause } from "node:timers/promises";
import { eventually, withClock, type ClockFault } from "@understudy/testkit";
import { KeeperCluster, slowMs } from "./keeper-cluster.ts";

const seconds = 1_000;
const hours = 3_600 * seconds;

/** FAULTS row 12: the clock of each keeper. */
const clocks: readonly (readonly [string, ClockFault, ClockFault])[] = [
  ["90 s apart", { offsetMs: 90 * seconds }, { offsetMs: -90 * seconds }],
  ["an hour ahead and an hour behind", { offsetMs: hours }, { offsetMs: -hours }],
  ["an hour behind and an hour ahead", { offsetMs: -hours }, { offsetMs: hours }],
  ["the first at double speed", { speed: 2 }, {}],
  ["the second at double speed", {}, { speed: 2 }],
  ["one at double speed and an hour behind, one at half speed", { speed: 2, offsetMs: -hours }, { speed: 0.5 }],
];

describe("keepers whose clocks are wrong:", () => {
  let cluster: KeeperCluster;
  beforeAll(async () => {
    cluster = await KeeperCluster.start();
  }, 2 * slowMs);
  afterAll(() => cluster.remove());

  it.each(clocks)(
    "%s: nobody takes a healthy primary's role, and a dead one's is taken",
    async (_name, ...faults) => {
      const before = await cluster.protected();
      await Promise.all(cluster.machines.map(({ keeper }) => keeper.kill()));
      for (const [index, machine] of cluster.machines.entries())
        cluster.launch(machine, withClock(faults[index] as ClockFault));
      await eventually(async () => ((await cluster.lease())?.term ?? 0) > before.term, { withinMs: slowMs });
      const calm = await cluster.protected();
      const writer = cluster.writer(5);
      await writer.acknowledgedAfter(0);
      // Longer than the keepers' own waits on silence.
      await pause(4 * seconds);
      expect(await cluster.lease()).toMatchObject({ term: calm.term, content: { primary: calm.content.primary } });
      cluster.killPostgres(await cluster.primary());
      await writer.acknowledgedAfter(Date.now(), slowMs);
      const after = await cluster.protected();
      expect(after.term).toBeGreaterThan(calm.term);
      await writer.stop();
      expect(await cluster.lost(writer)).toEqual([]);
      expect(await cluster.fenceBreaches()).toEqual([]);
    },
    3 * slowMs,
  );
});
