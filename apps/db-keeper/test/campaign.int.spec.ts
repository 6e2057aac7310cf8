import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "@understudy/testkit";
import { KeeperCluster, slowMs, type Machine } from "./keeper-cluster.ts";
import type { Writer } from "./writer.ts";

/** More in a drill: `UNDERSTUDY_KILLS=500`. */
const kills = Number(process.env["UNDERSTUDY_KILLS"] ?? 10);
const freezes = 3;
const lossesOfStandby = 5;
/** Longer than all that anybody waits for by itself: leases, silence, replication's and TCP's time-outs of the keeper. */
const frozenMs = 6_000;

/** FAULTS rows 3 and 5, on one cluster that goes on and on. */
describe("a database whose instances are lost again and again", () => {
  let cluster: KeeperCluster;
  let writer: Writer;
  beforeAll(async () => {
    cluster = await KeeperCluster.start();
    writer = cluster.writer(5);
  }, 2 * slowMs);
  afterAll(() => cluster.remove());

  /** Whatever is acknowledged from here on is by another one than `old`; then all are in sync again. */
  async function failedOverFrom(old: Machine): Promise<void> {
    const at = Date.now();
    await eventually(() => writer.acknowledged.some((each) => each.at > at && each.member !== old.member), {
      withinMs: slowMs,
      describe: `writes elsewhere than on ${old.member}`,
    });
  }

  async function isWhole(): Promise<void> {
    await cluster.protected();
    expect(await cluster.lost(writer)).toEqual([]);
    expect(await cluster.fenceBreaches()).toEqual([]);
  }

  it(
    `loses nothing in ${kills} kills of the primary`,
    async () => {
      let failovers = 0;
      for (let round = 0; round < kills; round++) {
        const [primary, before] = [await cluster.primary(), await cluster.protected()];
        await pause(Math.random() * 200);
        if (round % 2 === 0) cluster.killPostgres(primary);
        else {
          await primary.keeper.kill();
          cluster.launch(primary);
        }
        await writer.acknowledgedAfter(Date.now(), slowMs);
        await cluster.protected();
        const after = await cluster.lease();
        if ((after?.term ?? 0) > before.term) failovers += 1;
      }
      await isWhole();
      process.stdout.write(
        `kills: ${kills}, new terms: ${failovers}, acknowledged rows: ${writer.acknowledged.length}\n`,
      );
      expect(failovers).toBeGreaterThanOrEqual(Math.ceil(kills / 2));
    },
    kills * slowMs,
  );

  it(
    `a primary that was frozen for longer than anybody waits acknowledges nothing when it is thawed (${freezes} times)`,
    async () => {
      for (let round = 0; round < freezes; round++) {
        await cluster.protected();
        const primary = await cluster.primary();
        // Has a connection and a statement under way there when the machine stops, and never goes elsewhere.
        const faithful = cluster.writer(1, primary.member);
        await faithful.acknowledgedAfter(0);
        primary.keeper.freeze();
        const frozenAt = Date.now();
        await failedOverFrom(primary);
        await pause(Math.max(0, frozenMs - (Date.now() - frozenAt)));
        primary.keeper.thaw();
        const thawedAt = Date.now();
        const entry = await cluster.protected();
        expect(entry.content.primary).not.toBe(primary.member);
        await faithful.stop();
        expect(faithful.acknowledged.filter(({ at }) => at > thawedAt)).toEqual([]);
        expect(await cluster.lost(faithful)).toEqual([]);
      }
      await isWhole();
    },
    freezes * 2 * slowMs,
  );

  it(
    `a standby that is lost for good is taken out before anything is acknowledged without it (${lossesOfStandby} times)`,
    async () => {
      for (let round = 0; round < lossesOfStandby; round++) {
        await cluster.protected();
        const [primary, standby] = [await cluster.primary(), await cluster.standby()];
        const killedAt = Date.now();
        await standby.keeper.kill();
        rmSync(standby.dataDir, { recursive: true, force: true });
        const deadAt = Date.now();
        const entry = await cluster.protected(primary.member, 1);
        const recordedAt = entry.content.degradedSince ?? 0;
        expect(recordedAt).toBeGreaterThan(killedAt);
        await writer.acknowledgedAfter(Date.now(), slowMs);
        // What it had received counts as replicated while its answer is on its way; after that nothing may.
        expect(writer.acknowledged.filter(({ at }) => at > deadAt + 100 && at < recordedAt)).toEqual([]);
        cluster.launch(standby);
      }
      await isWhole();
    },
    lossesOfStandby * slowMs,
  );
});
