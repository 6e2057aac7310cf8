import { getConfiguration, setConfiguration } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime";
import { eventually } from "@understudy/testkit";
import { MessageServerCluster } from "./message-server-cluster.ts";
import { newChangeId } from "./scripted-app-server.ts";

describe("the cluster configuration", () => {
  let cluster: MessageServerCluster;

  beforeAll(async () => {
    cluster = await MessageServerCluster.start();
  });
  afterAll(() => cluster.stop());

  const read = () => cluster.ask(getConfiguration, {});
  const change = (expectedVersion: number, settings: unknown, changeId = newChangeId(), changedBy = "test") =>
    // As the CLI does: asked again under the same id where the leader or its stream was moving.
    cluster.ask(setConfiguration, { expectedVersion, changeId, changedBy, settings });

  it("lets one of two editors win and tells the other which version stands", async () => {
    const { version, settings } = (await read()).settings;
    const edit = (drainMs: number) => change(version, { ...settings, appServers: { ...settings.appServers, drainMs } });
    const outcomes = await Promise.allSettled([edit(1_111), edit(2_222)]);
    const won = outcomes.filter(({ status }) => status === "fulfilled");
    const lost = outcomes.find(({ status }) => status === "rejected");
    expect(won).toHaveLength(1);
    expect(lost).toMatchObject({ reason: { code: "conflict", retryable: false } });
    expect((lost as PromiseRejectedResult).reason.message).toContain(`version ${version + 1}`);
    expect((await read()).settings.version).toBe(version + 1);
  });

  it("refuses nonsense with all faults named and changes nothing", async () => {
    const before = await read();
    const refused = await change(before.settings.version, {
      appServers: { lostAfterMs: "soon", drainMs: -5 },
      loadBalancers: { speed: 11 },
    }).catch((error: unknown) => error as CallerError);
    expect(refused).toBeInstanceOf(CallerError);
    expect((refused as CallerError).faults).toHaveLength(3);
    expect((await read()).settings).toEqual(before.settings);
  });

  it("answers a repeated change as done, once", async () => {
    const { version, settings } = (await read()).settings;
    const changeId = newChangeId();
    const first = await change(version, settings, changeId);
    const again = await change(version, settings, changeId);
    expect(again.settings.version).toBe(first.settings.version);
  });

  it("loses no acknowledged change in takeovers and applies none twice", async () => {
    const start = (await read()).settings;
    let acknowledged = 0;
    const stop = new AbortController();
    const editing = (async () => {
      let version = start.version;
      while (!stop.signal.aborted) {
        const payload = {
          expectedVersion: version,
          changeId: newChangeId(),
          changedBy: "editor",
          settings: {
            ...start.settings,
            appServers: { ...start.settings.appServers, drainMs: 1_000 + (version % 100) },
          },
        };
        version = (await cluster.ask(setConfiguration, payload)).settings.version;
        acknowledged += 1;
      }
    })();
    for (let kill = 0; kill < 3; kill++) {
      const { holder } = await cluster.leader();
      await cluster.server(holder.id).kill();
      await cluster.leader(holder.id);
      await cluster.startServer(holder.id.slice(-1) as "a" | "b");
      const seen = acknowledged;
      await eventually(() => acknowledged >= seen + 5, { withinMs: 20_000, describe: "editing goes on" });
    }
    stop.abort();
    await editing;
    const end = (await read()).settings;
    expect(end.version - start.version).toBe(acknowledged);
    expect(acknowledged).toBeGreaterThanOrEqual(15);
  });
});
