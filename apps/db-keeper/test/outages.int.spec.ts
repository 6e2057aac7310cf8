import { setTimeout as pause } from "node:timers/promises";
import { keeperState, primaryChanged, type KeeperState, type PrimaryChanged } from "@understudy/contracts";
import { listen } from "@understudy/runtime";
import { eventually, NatsCluster, PostgresPair, ServiceProcess } from "@understudy/testkit";
import { database, KeeperCluster, slowMs } from "./keeper-cluster.ts";

describe("under the policy strict", () => {
  let cluster: KeeperCluster;
  beforeAll(async () => {
    cluster = await KeeperCluster.start({ policy: "strict" });
  }, 2 * slowMs);
  afterAll(() => cluster.remove());

  it("nothing is acknowledged without a standby, and everything that waited is when it is back", async () => {
    const standby = await cluster.standby();
    await standby.keeper.kill();
    await pause(2_500);
    const writer = cluster.writer();
    await eventually(async () => {
      const waiting = await cluster.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
      return waiting.length > 0;
    });
    expect(writer.acknowledged).toEqual([]);
    expect((await cluster.lease())?.content).toMatchObject({ inSync: ["postgres-a", "postgres-b"], phase: "open" });
    cluster.launch(standby);
    await writer.acknowledgedAfter(0, slowMs);
    await writer.stop();
    expect(await cluster.lost(writer)).toEqual([]);
  });

  it("a new primary waits for the old one's return", async () => {
    await cluster.protected();
    const primary = await cluster.primary();
    const standby = await cluster.standby();
    await primary.keeper.kill();
    await cluster.protected(standby.member, 1);
    const writer = cluster.writer();
    await pause(1_500);
    expect(writer.acknowledged).toEqual([]);
    cluster.launch(primary);
    await writer.acknowledgedAfter(0, slowMs);
    await cluster.protected(standby.member);
    await writer.stop();
    expect(await cluster.lost(writer)).toEqual([]);
  });
});

describe("while NATS is away", () => {
  let cluster: KeeperCluster;
  beforeAll(async () => {
    cluster = await KeeperCluster.start();
  }, 2 * slowMs);
  afterAll(() => cluster.remove());

  it(
    "the primary serves on while its standby streams, and goes on as the same primary afterwards",
    async () => {
      const before = await cluster.lease();
      const writer = cluster.writer(20);
      await cluster.nats.node(0).kill();
      // Longer than a leader may act, and than anybody waits on silence.
      await pause(18_000);
      const at = Date.now();
      await writer.acknowledgedAfter(at);
      await cluster.nats.node(0).start();
      const after = await cluster.protected(before?.content.primary);
      expect(after.content.timeline).toBe(before?.content.timeline);
      await writer.stop();
      expect(await cluster.lost(writer)).toEqual([]);
    },
    2 * slowMs,
  );

  it(
    "the primary is ended when its standby is gone as well, and both come back with NATS",
    async () => {
      const [primary, standby] = [await cluster.primary(), await cluster.standby()];
      const pid = cluster.postgresPid(primary);
      const writer = cluster.writer(20);
      await writer.acknowledgedAfter(0);
      await cluster.nats.node(0).kill();
      await standby.keeper.kill();
      await eventually(
        () => {
          try {
            return !process.kill(pid, 0);
          } catch {
            return true;
          }
        },
        { withinMs: 40_000, describe: "the primary is ended" },
      );
      await cluster.nats.node(0).start();
      cluster.launch(standby);
      await writer.acknowledgedAfter(Date.now(), slowMs);
      await cluster.protected();
      await writer.stop();
      expect(await cluster.lost(writer)).toEqual([]);
    },
    3 * slowMs,
  );
});

describe("with three instances, one NATS node on each machine", () => {
  let cluster: KeeperCluster;
  beforeAll(async () => {
    cluster = await KeeperCluster.start({ members: 3, natsNodes: 3 });
  }, 2 * slowMs);
  afterAll(() => cluster.remove());

  it("the loss of the primary's whole machine costs a moment, and nothing that was acknowledged", async () => {
    const primary = await cluster.primary();
    const index = cluster.machines.indexOf(primary);
    // The lease's Raft leader has been moved off the primary's machine by then (L6).
    await pause(2_000);
    const writer = cluster.writer();
    await writer.acknowledgedAfter(0);
    const at = Date.now();
    await Promise.all([primary.keeper.kill(), cluster.nats.node(index).kill()]);
    const first = await eventually(
      () => writer.acknowledged.find((each) => each.at > at && each.member !== primary.member),
      {
        withinMs: 30_000,
      },
    );
    process.stdout.write(`machine killed: first write after ${first.at - at} ms\n`);
    // The third one follows the new primary without a clone.
    const lease = await cluster.protected(undefined, 2);
    const third = cluster.machines.find(({ member }) => member !== primary.member && member !== lease.content.primary);
    expect(third?.keeper.log.filter(({ msg }) => msg === "cloned")).toHaveLength(1);
    await cluster.nats.node(index).start();
    cluster.launch(primary);
    await cluster.protected(undefined, 3);
    await writer.stop();
    expect(await cluster.lost(writer)).toEqual([]);
  });
});

describe("a keeper of somebody else's database", () => {
  let nats: NatsCluster;
  let pair: PostgresPair;
  const keepers: ServiceProcess[] = [];
  beforeAll(async () => {
    [nats, pair] = await Promise.all([NatsCluster.start({ nodes: 1 }), PostgresPair.start()]);
  }, 2 * slowMs);
  afterAll(async () => {
    await Promise.all(keepers.map((keeper) => keeper.kill()));
    await Promise.all([nats.stop(), pair.remove()]);
  });

  it("tells who is primary and who follows, and starts or promotes nothing", async () => {
    const states = new Map<string, KeeperState>();
    const primaries: PrimaryChanged[] = [];
    const observer = await nats.connect();
    listen(observer, keeperState, (state) => states.set(state.member, state), { id: "*" });
    listen(observer, primaryChanged, (change) => primaries.push(change));
    for (const member of [pair.a, pair.b])
      keepers.push(
        ServiceProcess.launch({
          service: "@understudy/db-keeper",
          environment: {
            UNDERSTUDY_ID: `db-keeper-${member.name.at(-1)}`,
            UNDERSTUDY_MACHINE: `machine-${member.name.at(-1)}`,
            UNDERSTUDY_NATS_SERVERS: nats.servers.join(","),
            UNDERSTUDY_NATS_USER: nats.user,
            UNDERSTUDY_NATS_PASSWORD_FILE: nats.passwordFile,
            UNDERSTUDY_DATABASE: database,
            UNDERSTUDY_DATABASE_MODE: "external",
            UNDERSTUDY_MEMBER: member.name,
            UNDERSTUDY_MEMBERS: `postgres-a=127.0.0.1:${pair.a.port},postgres-b=127.0.0.1:${pair.b.port}`,
            UNDERSTUDY_DATABASE_PASSWORD_FILE: pair.passwordFile,
          },
        }),
      );
    await eventually(
      () => states.get("postgres-a")?.state === "running" && states.get("postgres-b")?.state === "streaming",
      {
        withinMs: slowMs,
      },
    );
    await pair.primary.kill();
    await eventually(() => states.get("postgres-a")?.role === "none", { withinMs: slowMs });
    await pause(1_000);
    expect(states.get("postgres-b")?.role).toBe("standby");
    await pair.promote();
    await eventually(() => primaries.some(({ primary, timeline }) => primary === "postgres-b" && timeline === 2), {
      withinMs: slowMs,
    });
    await eventually(() => states.get("postgres-b")?.role === "primary" && states.get("postgres-b")?.timeline === 2);
  });
});
