import { jetstream } from "@nats-io/jetstream";
import { Kvm, type KV } from "@nats-io/kv";
import { configurationBucket, defaultClusterSettings, settingsKey } from "@understudy/contracts";
import { createLog, NatsConnections, SettingsWatch } from "@understudy/runtime";
import { eventually, NatsCluster } from "@understudy/testkit";

const log = createLog("silent", "json", {});

function stored(version: number, holdMs: number): string {
  const settings = defaultClusterSettings();
  return JSON.stringify({
    version,
    term: 1,
    changedAt: new Date(0).toISOString(),
    changedBy: "test",
    changeIds: [],
    settings: { ...settings, loadBalancers: { ...settings.loadBalancers, holdMs } },
  });
}

describe("the settings watch", () => {
  let cluster: NatsCluster;
  let nats: NatsConnections;
  let watch: SettingsWatch;
  let bucket: KV;
  const changes: number[] = [];

  beforeAll(async () => {
    cluster = await NatsCluster.start();
    const { servers, user, password } = cluster;
    nats = (await NatsConnections.open(
      { servers, user, password, name: "watcher" },
      log,
      new AbortController().signal,
    ))!;
    watch = new SettingsWatch(nats, log);
    watch.onChange(({ loadBalancers }) => changes.push(loadBalancers.holdMs));
    watch.start();
  });

  afterAll(async () => {
    watch.stop();
    await nats.close();
    await cluster.stop();
  });

  const put = async (text: string): Promise<void> => {
    await eventually(() => bucket.put(settingsKey, text), { withinMs: 20_000, describe: "the settings are stored" });
  };
  const reaches = (version: number): Promise<boolean> =>
    eventually(() => watch.version === version, { withinMs: 30_000, describe: `version ${version} is followed` });

  it("has the defaults while nothing is stored, and finds a bucket that is made later", async () => {
    expect(watch.current).toEqual(defaultClusterSettings());
    expect(watch.version).toBe(0);
    const manager = new Kvm(jetstream(await cluster.connect(), { timeout: 2_000 }));
    bucket = await eventually(() => manager.create(configurationBucket, { replicas: 3 }), { withinMs: 30_000 });
    await put(stored(1, 1_001));
    await reaches(1);
    expect(watch.current.loadBalancers.holdMs).toBe(1_001);
  });

  it("tells each change once and passes over nonsense and older versions", async () => {
    await put(stored(2, 1_002));
    await reaches(2);
    await put("no JSON");
    await put(stored(3, -5));
    await put(stored(1, 1_001));
    await put(stored(4, 1_004));
    await reaches(4);
    expect(changes).toEqual([1_001, 1_002, 1_004]);
  });

  it("follows on after each NATS node was lost once", async () => {
    for (const [index, node] of cluster.nodes.entries()) {
      await node.kill();
      await put(stored(10 + index, 2_000 + index));
      await reaches(10 + index);
      await node.start();
      await cluster.usable();
    }
    expect(changes.slice(-3)).toEqual([2_000, 2_001, 2_002]);
  });

  it("follows on after all NATS nodes were away", async () => {
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await eventually(() => !nats.connected, { withinMs: 15_000 });
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.usable();
    await put(stored(20, 3_000));
    await reaches(20);
    expect(watch.current.loadBalancers.holdMs).toBe(3_000);
  });
});
