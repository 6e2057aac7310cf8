import { probe, type InstanceRef } from "@understudy/contracts";
import { BeatBoard, type HeardBeat } from "@understudy/heartbeat";
import { call, createLog, NoRespondersHint, type NatsConnections } from "@understudy/runtime";
import { eventually, NatsCluster } from "@understudy/testkit";
import { BeatingInstance, connectionsOf } from "./beating-instance.ts";

describe("beats and answers on three NATS nodes", () => {
  let cluster: NatsCluster;
  let instance: BeatingInstance;
  let observer: NatsConnections;
  let board: BeatBoard;
  const heard: HeardBeat[] = [];

  beforeAll(async () => {
    cluster = await NatsCluster.start();
    observer = await connectionsOf(cluster, "observer");
    board = new BeatBoard(observer, createLog("silent", "json", {}));
    board.onBeat((beat) => heard.push(beat));
    board.start();
    observer.openLifelines();
    await eventually(() => observer.lifelines.every(({ connected }) => connected));
    instance = await BeatingInstance.start(cluster, "app-server-a");
    await eventually(() => instance.nats.lifelines.every(({ connected }) => connected));
  });

  afterAll(async () => {
    await instance.stop();
    board.stop();
    await observer.close();
    await cluster.stop();
  });

  const latest = (): HeardBeat => board.latest("app-server-a")!;
  const sequences = (from = 0): number[] => heard.slice(from).map(({ beat }) => beat.sequence);
  /** The beats heard from now on, once there are `count`. */
  const next = async (count: number): Promise<HeardBeat[]> => {
    const from = heard.length;
    await eventually(() => heard.length >= from + count);
    return heard.slice(from, from + count);
  };

  it("tell the board each beat once, in order, whatever copies come", async () => {
    await next(12);
    const all = sequences();
    expect(all).toEqual(all.toSorted((a, b) => a - b));
    expect(new Set(all).size).toBe(all.length);
    expect(board.all()).toEqual([latest()]);
  });

  it("carry load, figures of process and host, and readiness", async () => {
    instance.load.now = 3;
    const [, second] = await next(2);
    expect(second!.beat).toMatchObject({ load: 3, ready: true, instance: instance.identity.full });
    expect(second!.beat.residentBytes).toBeGreaterThan(1_000_000);
    expect(second!.beat.host.memoryAvailableBytes).toBeGreaterThan(0);
    expect(second!.beat.host.diskTotalBytes).toBeGreaterThan(0);
  });

  it("come at once when readiness turns, and not when it only says it again", async () => {
    instance.heartbeats.setInterval(5_000);
    const from = heard.length;
    instance.readiness.set("work", false, "a test");
    await eventually(() => !latest().beat.ready, { withinMs: 2_500 });
    instance.readiness.set("work", false, "still a test");
    instance.readiness.set("work", true);
    await eventually(() => latest().beat.ready, { withinMs: 2_500 });
    expect(heard.slice(from).filter(({ beat }) => !beat.ready)).toHaveLength(1);
  });

  it("come as often as they are told to", async () => {
    instance.heartbeats.setInterval(50);
    const beats = await next(20);
    expect(beats.at(-1)!.beat.sentAt - beats[0]!.beat.sentAt).toBeLessThan(3_500);
    instance.heartbeats.setInterval(250);
  });

  it("answer a probe through each node with the incarnation, in the form of Nest's transport", async () => {
    for (const server of cluster.servers) {
      const connection = await cluster.connect("prober", { servers: [server] });
      const reply = await call(connection, probe, {}, { id: "app-server-a" });
      expect(reply).toEqual({ incarnation: instance.identity.incarnation });
      await expect(call(connection, probe, {}, { id: "nobody" })).rejects.toBeInstanceOf(NoRespondersHint);
      await connection.close();
    }
  });

  it("go on and are answered while any NATS node is away", async () => {
    for (const node of cluster.nodes) {
      await node.kill();
      await next(6);
      const survivor = cluster.servers.find((server) => server !== node.url)!;
      const connection = await cluster.connect("prober", { servers: [survivor] });
      await expect(call(connection, probe, {}, { id: "app-server-a" })).resolves.toBeDefined();
      await connection.close();
      await node.start();
      await eventually(() => observer.lifelines.every(({ connected }) => connected), { withinMs: 15_000 });
      await eventually(() => instance.nats.lifelines.every(({ connected }) => connected), { withinMs: 15_000 });
    }
  });

  it("tell a new incarnation at once, with a sequence of its own", async () => {
    const old: InstanceRef = instance.identity.ref;
    instance.identity.takeNewIncarnation();
    const [first] = await next(1);
    expect(first!.beat.instance).toEqual(instance.identity.full);
    expect(first!.beat.sequence).toBe(0);
    expect(instance.identity.incarnation > old.incarnation).toBe(true);
    const reply = await call(observer.main, probe, {}, { id: "app-server-a" });
    expect(reply.incarnation).toBe(instance.identity.incarnation);
  });
});
