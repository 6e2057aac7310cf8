import { pause } from "@understudy/runtime";
import { eventually, type ServiceProcess } from "@understudy/testkit";
import { MonitoredCluster } from "./monitored-cluster.ts";

const lostAfterMs = 1_500;
const monitorIds = ["heartbeat-monitor-a", "heartbeat-monitor-c"];

describe("two heartbeat-monitors beside beating services on three NATS nodes", () => {
  let cluster: MonitoredCluster;
  let services: ServiceProcess[];

  beforeAll(async () => {
    cluster = await MonitoredCluster.start();
    services = await Promise.all([cluster.service("app-server-a", 0), cluster.service("app-server-b", 1)]);
  }, 180_000);

  afterAll(async () => {
    await cluster.stop();
  });

  /** Who was found silent since `from` of all that live. (A suspicion may pass without a free core; silence must not.) */
  const foundSilent = (from: number) => {
    const living = new Set([...services, ...cluster.monitors].map(({ incarnation }) => incarnation));
    return cluster.reports
      .slice(from)
      .filter(({ verdict, instance }) => verdict === "silent" && living.has(instance.incarnation))
      .map(({ instance, monitor, evidence }) => ({ id: instance.id, monitor, evidence }));
  };

  it("find every instance alive, each other included, long before there are any settings", async () => {
    for (const process of services) await cluster.found(process, "alive");
    await eventually(
      () =>
        cluster.reports.some(({ monitor, instance }) => monitor === monitorIds[0] && instance.id === monitorIds[1]) &&
        cluster.reports.some(({ monitor, instance }) => monitor === monitorIds[1] && instance.id === monitorIds[0]),
      { describe: "the monitors find each other" },
    );
    expect(foundSilent(0)).toEqual([]);
  });

  it("follow settings that are stored later, as do the services' beats", async () => {
    await cluster.configure(1, { appServers: { lostAfterMs }, heartbeat: { beatMs: 100 } });
    await eventually(
      () => {
        const own = cluster.beats.filter(({ instance }) => instance.id === "app-server-a");
        const last = own.at(-1)!;
        const first = own.findLast(({ sequence }) => sequence === last.sequence - 10);
        return first !== undefined && last.sentAt - first.sentAt < 2_000;
      },
      { withinMs: 20_000, describe: "beats come faster" },
    );
  });

  it("suspect a killed process at once by 503, then find it silent; a new one under its id is alive", async () => {
    const victim = await cluster.service("app-server-c", 2);
    await cluster.found(victim, "alive");
    await victim.kill();
    for (const { silentMs, evidence } of await cluster.found(victim, "silent")) {
      expect(silentMs).toBeGreaterThanOrEqual(lostAfterMs);
      expect(evidence.map(({ kind }) => kind)).toEqual(["no-responders", "silence"]);
    }
    for (const monitor of monitorIds) {
      const suspicion = cluster.first(monitor, victim.incarnation, "suspect")!;
      expect(suspicion.evidence.map(({ kind }) => kind)).toEqual(["no-responders"]);
      expect(suspicion.silentMs).toBeLessThan(lostAfterMs);
    }
    const next = await cluster.service("app-server-c", 2);
    await cluster.found(next, "alive");
    for (const monitor of monitorIds)
      expect(cluster.verdicts(monitor, victim.incarnation)).toEqual(["alive", "suspect", "silent"]);
    services.push(next);
  });

  it("suspect a frozen process, find it silent after lostAfterMs, and alive again when it is thawed", async () => {
    const frozen = services[1]!;
    frozen.freeze();
    for (const { silentMs, evidence } of await cluster.found(frozen, "silent")) {
      expect(silentMs).toBeGreaterThanOrEqual(lostAfterMs);
      expect(evidence.map(({ kind }) => kind)).toEqual(["unanswered-probes", "silence"]);
    }
    frozen.thaw();
    await cluster.found(frozen, "alive");
    for (const monitor of monitorIds)
      expect(cluster.verdicts(monitor, frozen.incarnation).slice(-3)).toEqual(["suspect", "silent", "alive"]);
  });

  it.each([0, 1, 2])("find nobody silent when NATS node %i is killed and comes back", async (index) => {
    const before = cluster.reports.length;
    await cluster.nats.node(index).kill();
    await pause(1.5 * lostAfterMs);
    await cluster.nats.node(index).start();
    await pause(lostAfterMs);
    expect(foundSilent(before)).toEqual([]);
  });

  it.each([0, 1, 2])("find nobody silent when NATS node %i freezes and thaws", async (index) => {
    const before = cluster.reports.length;
    cluster.nats.node(index).freeze();
    await pause(2 * lostAfterMs);
    cluster.nats.node(index).thaw();
    await pause(lostAfterMs);
    expect(foundSilent(before)).toEqual([]);
  });

  it("find nobody silent when a NATS node is cut from the others", async () => {
    const before = cluster.reports.length;
    cluster.nats.isolate(1);
    await pause(2 * lostAfterMs);
    cluster.nats.heal();
    await pause(lostAfterMs);
    expect(foundSilent(before)).toEqual([]);
  });

  it("find a process silent that ends while a NATS node is away", async () => {
    const ending = services.pop()!;
    await cluster.nats.node(2).kill();
    await ending.kill();
    await cluster.found(ending, "silent");
    await cluster.nats.node(2).start();
  });

  it("find nobody silent after a pause of their own", async () => {
    const before = cluster.reports.length;
    const monitor = cluster.monitors[0]!;
    monitor.freeze();
    await pause(2 * lostAfterMs);
    monitor.thaw();
    await pause(1.5 * lostAfterMs);
    expect(foundSilent(before).filter((found) => found.monitor === monitorIds[0])).toEqual([]);
  });

  it("hear a draining service beat until its end, not ready", async () => {
    const leaving = services[0]!;
    expect(await leaving.terminate()).toEqual({ code: 0, signal: null });
    const last = cluster.beats.findLast(({ instance }) => instance.incarnation === leaving.incarnation)!;
    expect(last).toMatchObject({ ready: false, load: 7 });
    expect(cluster.verdicts(monitorIds[1]!, leaving.incarnation)).not.toContain("silent");
  });

  it("show verdicts, instances and machines to Prometheus", async () => {
    const metrics = await (await fetch(`${cluster.monitors[1]!.opsUrl}/metrics`)).text();
    expect(metrics).toMatch(
      /understudy_instance_verdict\{id="app-server-b",kind="app-server",machine="machine-b",verdict="alive"\} 1/,
    );
    expect(metrics).toMatch(/understudy_instance_load\{id="app-server-b",[^}]*\} 7/);
    expect(metrics).toMatch(/understudy_machine_memory_available_bytes\{machine="machine-b"\} [1-9]/);
    expect(metrics).toMatch(/understudy_detector_reports_total\{verdict="silent"\} [1-9]/);
  });

  it("end in order", async () => {
    for (const monitor of cluster.monitors) {
      expect(await monitor.terminate()).toEqual({ code: 0, signal: null });
      expect(monitor.log.filter(({ level = 0 }) => level >= 50)).toEqual([]);
    }
  });
});
