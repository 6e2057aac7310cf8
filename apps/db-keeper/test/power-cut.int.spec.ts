import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canUseLoopFilesystems, eventually, LoopFilesystem } from "@understudy/testkit";
import { KeeperCluster, slowMs, type Machine } from "./keeper-cluster.ts";

/** More in a drill: `UNDERSTUDY_POWER_CUTS=500`. */
const cuts = Number(process.env["UNDERSTUDY_POWER_CUTS"] ?? 10);

/** FAULTS rows 14 and 16: kill -9 says nothing about fsync, because the page cache survives it. */
(canUseLoopFilesystems() ? describe : describe.skip)("a database on disks that fail (needs root)", () => {
  let cluster: KeeperCluster;
  const disks: LoopFilesystem[] = [];
  beforeAll(async () => {
    disks.push(LoopFilesystem.make({ sizeMiB: 700 }), LoopFilesystem.make({ sizeMiB: 700 }));
    cluster = await KeeperCluster.start({ dataFolders: disks.map(({ path }) => path) });
    await cluster.query("CREATE EXTENSION amcheck");
  }, 2 * slowMs);
  afterAll(async () => {
    await cluster?.remove();
    for (const disk of disks) disk.remove();
  });

  const diskOf = (machine: Machine): LoopFilesystem => disks[cluster.machines.indexOf(machine)] as LoopFilesystem;

  async function losePower(machines: readonly Machine[]): Promise<void> {
    for (const machine of machines) diskOf(machine).cutPower();
    await Promise.all(machines.map(({ keeper }) => keeper.kill()));
    for (const machine of machines) {
      await diskOf(machine).remount();
      cluster.launch(machine);
    }
  }

  /** Every index agrees with its table, and every table with itself, on each member. */
  async function isClean(): Promise<void> {
    for (const { member } of cluster.machines) expect(await cluster.damage(member, ["written"])).toEqual([]);
  }

  it(
    `loses nothing that was acknowledged in ${cuts} power cuts of primary, standby and both`,
    async () => {
      const writer = cluster.writer();
      for (let round = 0; round < cuts; round++) {
        await cluster.protected();
        await writer.acknowledgedAfter(Date.now());
        const [primary, standby] = [await cluster.primary(), await cluster.standby()];
        await losePower([[primary], [standby], [primary, standby]][round % 3] ?? []);
        await writer.acknowledgedAfter(Date.now(), slowMs);
        await cluster.protected();
        expect(await cluster.lost(writer)).toEqual([]);
      }
      await writer.stop();
      await isClean();
      expect(await cluster.fenceBreaches()).toEqual([]);
      process.stdout.write(`power cuts: ${cuts}, acknowledged rows: ${writer.acknowledged.length}\n`);
    },
    cuts * slowMs,
  );

  it(
    "a full disk of the primary refuses writes or hands over, says why, and goes on by itself when there is room",
    async () => {
      await cluster.protected();
      const primary = await cluster.primary();
      const writer = cluster.writer(0);
      await writer.acknowledgedAfter(0);
      const { bavail, bsize } = statfsSync(diskOf(primary).path);
      const ballast = join(diskOf(primary).path, "ballast");
      // Nothing is left but for a moment's rows.
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 256 * 1_024)));
      const { keeper } = primary;
      await eventually(() => /No space left on device/.test(keeper.output), {
        withinMs: 2 * slowMs,
        describe: "its log names the reason",
      });
      rmSync(ballast);
      await writer.acknowledgedAfter(Date.now(), slowMs);
      await cluster.protected();
      await writer.stop();
      expect(await cluster.lost(writer)).toEqual([]);
      expect(await cluster.fenceBreaches()).toEqual([]);
      await isClean();
    },
    5 * slowMs,
  );
});
