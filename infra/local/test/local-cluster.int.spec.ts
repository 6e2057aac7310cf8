import { loginOptions } from "@understudy/runtime/nats-login";
import { existsSync, readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { connect as connectNats, type NatsConnection } from "@nats-io/transport-node";
import { exitEvidence, runFile, type ExitEvidence } from "@understudy/contracts";
import { listen } from "@understudy/runtime/messages";
import { eventually, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { LocalCluster } from "../src/local-cluster.ts";
import { birthOf } from "../src/process-birth.ts";
import { readFromSupervisor } from "../src/control-client.ts";
import { serviceEnvironment } from "../src/service-environment.ts";
import { isCutLink } from "../src/network.ts";

/** The smallest cluster with everything that a supervisor does: two machines, links, services with incarnations. */
const layout = [
  { id: "machine-a", runs: ["nats", "heartbeat-monitor"] },
  { id: "machine-b", runs: ["nats", "heartbeat-monitor"] },
] as const;

describe("a local cluster", () => {
  let folder: TemporaryFolder;
  let cluster: LocalCluster;
  let nats: NatsConnection;
  const heard: ExitEvidence[] = [];

  const one = (id: string) => {
    const found = cluster.processes.find((each) => each.id === id);
    if (found === undefined) throw new Error(`no ${id}`);
    return found;
  };
  const isRunning = (...ids: string[]) =>
    eventually(() => ids.every((id) => one(id).state === "running"), {
      describe: `${ids.join()} running`,
      withinMs: 30_000,
    });
  const evidenceOf = (pid: number | null) =>
    eventually(() => heard.find((each) => each.pid === pid), { describe: `evidence of ${pid}`, withinMs: 20_000 });

  beforeAll(async () => {
    folder = temporaryFolder("cluster");
    cluster = await LocalCluster.start({
      stateDir: folder.path,
      layout,
      restart: { firstMs: 200, mostMs: 1_000, steadyMs: 30_000 },
    });
    // On machine A: what is said on B comes through the links.
    nats = await connectNats({
      servers: cluster.natsServers.filter(({ machine }) => machine === "machine-a").map(({ url }) => url),
      ...loginOptions(cluster.natsLogin()),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    listen(nats, exitEvidence, (evidence) => heard.push(evidence));
    await nats.flush();
  });
  afterAll(async () => {
    await nats?.close();
    await cluster?.stop();
    folder?.remove();
  });
  beforeEach(() => isRunning("network", "nats-a", "nats-b", "heartbeat-monitor-a", "heartbeat-monitor-b"));

  it("stands in run.json, which only its owner reads", () => {
    const { runFile: path } = cluster.folder;
    const run = runFile.parse(JSON.parse(readFileSync(path, "utf8")));
    expect(run.supervisor.pid).toBe(process.pid);
    expect(run.urls.loadBalancer).toBe(cluster.url);
    expect(run.machines).toEqual([
      { id: "machine-a", cut: false },
      { id: "machine-b", cut: false },
    ]);
    expect(run.processes.map(({ id, state }) => `${id} ${state}`).sort()).toEqual([
      "heartbeat-monitor-a running",
      "heartbeat-monitor-b running",
      "nats-a running",
      "nats-b running",
      "network running",
    ]);
    for (const { pid, kind, opsUrl } of run.processes) {
      expect(birthOf(pid ?? 0)).toBeDefined();
      if (kind === "heartbeat-monitor") expect(opsUrl).toMatch(/^http:\/\/127/);
    }
    for (const file of [path, cluster.folder.controlSocket, run.natsCredentials.seedFile ?? ""]) {
      expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
    }
  });

  it("reports a killed service with its incarnation, starts it again, and it has a new one", async () => {
    const { pid } = one("heartbeat-monitor-b");
    const { incarnation } = cluster.supervisor.facts("heartbeat-monitor-b");
    expect(await cluster.control("kill", "heartbeat-monitor-b")).toMatchObject({ affected: ["heartbeat-monitor-b"] });
    expect(await evidenceOf(pid)).toMatchObject({
      instance: { id: "heartbeat-monitor-b", incarnation },
      machine: "machine-b",
      exitCode: null,
      signal: "SIGKILL",
    });
    await isRunning("heartbeat-monitor-b");
    expect(one("heartbeat-monitor-b")).toMatchObject({ restarts: 1 });
    expect(cluster.supervisor.facts("heartbeat-monitor-b").incarnation).not.toBe(incarnation);
  });

  it("loses a whole machine with one command, reports its services, and gets it back", async () => {
    const { pid } = one("heartbeat-monitor-b");
    const reply = await cluster.control("kill", "machine-b");
    expect(reply.affected).toEqual(["heartbeat-monitor-b", "nats-b"]);
    expect(reply.message).toContain("killed");
    await evidenceOf(pid);
    await isRunning("nats-b", "heartbeat-monitor-b");
  });

  it("leaves down what was killed to stay until it is started", async () => {
    await cluster.control("kill", "heartbeat-monitor-a", { stay: true });
    expect(one("heartbeat-monitor-a")).toMatchObject({ state: "stopped", pid: null });
    expect((await cluster.control("start", "machine-a")).affected).toEqual(["heartbeat-monitor-a"]);
    await isRunning("heartbeat-monitor-a");
  });

  it("freezes and thaws", async () => {
    expect((await cluster.control("freeze", "machine-b")).affected).toEqual(["heartbeat-monitor-b", "nats-b"]);
    expect(one("nats-b").state).toBe("frozen");
    expect((await cluster.control("freeze", "nats-b")).message).toBe("Nothing to do: nothing of nats-b was running.");
    await cluster.control("thaw", "machine-b");
    expect(one("nats-b").state).toBe("running");
  });

  it("cuts a machine off: nothing passes, not even evidence, until it is healed; a new network process keeps the cut", async () => {
    const link = cluster.plan.links.find(({ id }) => id === "machine-a>nats-b/client");
    if (link === undefined) throw new Error("no link");
    expect(isCutLink(link, ["machine-b"])).toBe(true);
    expect(await greeting(link.listenPort)).toMatch(/^INFO/);
    await cluster.control("cut", "machine-b");
    expect(await greeting(link.listenPort)).toBeUndefined();
    expect(await greeting(link.targetPort)).toMatch(/^INFO/);
    expect(runFile.parse(JSON.parse(readFileSync(cluster.folder.runFile, "utf8"))).machines).toContainEqual({
      id: "machine-b",
      cut: true,
    });

    await cluster.control("kill", "network");
    await isRunning("network");
    expect(await greeting(link.listenPort)).toBeUndefined();

    const { pid } = one("heartbeat-monitor-b");
    await cluster.control("kill", "heartbeat-monitor-b");
    await isRunning("heartbeat-monitor-b");
    expect(heard.filter((each) => each.pid === pid)).toEqual([]);

    expect((await cluster.control("heal", "machine-b")).message).toBe("machine-b is connected again.");
    expect(await greeting(link.listenPort)).toMatch(/^INFO/);
    await evidenceOf(pid);
  });

  it("names what is known to whoever asks for something else", async () => {
    await expect(cluster.control("kill", "machine-x")).rejects.toThrow(
      /There is no machine-x here\. Known: machine-a, machine-b, network, nats-a/,
    );
    await expect(cluster.control("cut", "nats-a")).rejects.toThrow(/Only machines can be cut and healed/);
    expect(await post("kill", { target: "nats-x" })).toMatchObject({
      status: 404,
      body: { code: "unknown-instance", retryable: false },
    });
    expect(await post("kill", { id: "nats-a" })).toMatchObject({ status: 400, body: { code: "invalid-request" } });
    expect(await post("explode", {})).toMatchObject({ status: 400 });
  });

  it("does over the control socket what it does here", async () => {
    expect(await post("freeze", { target: "heartbeat-monitor-a" })).toMatchObject({
      status: 200,
      body: { affected: ["heartbeat-monitor-a"], message: "heartbeat-monitor-a: frozen." },
    });
    expect(await readFromSupervisor(cluster.folder.controlSocket, "run")).toEqual(cluster.runFile);
    await post("thaw", { target: "heartbeat-monitor-a" });
  });

  it("tells the dev runner all it needs for one more instance", async () => {
    const plan = (await readFromSupervisor(cluster.folder.controlSocket, "plan")) as typeof cluster.plan;
    const view = plan.views["machine-a"];
    if (view === undefined) throw new Error("no view");
    const place = { id: "heartbeat-monitor-a", kind: "heartbeat-monitor", opsPort: 0 } as const;
    expect({ ...serviceEnvironment(plan.settings, view, place), UNDERSTUDY_OPS_PORT: "" }).toEqual({
      ...plan.services.find(({ id }) => id === "heartbeat-monitor-a")?.environment,
      UNDERSTUDY_OPS_PORT: "",
    });
  });

  it("refuses a second supervisor on its folder", async () => {
    await expect(LocalCluster.open({ stateDir: folder.path, layout })).rejects.toThrow(/runs already in this folder/);
  });

  it("leaves nothing when it is stopped, not even a process that was frozen", async () => {
    await cluster.control("freeze", "heartbeat-monitor-a");
    const pids = cluster.processes.map(({ pid }) => pid ?? 0);
    await cluster.stop();
    expect(pids.map(birthOf)).toEqual(pids.map(() => undefined));
    expect(existsSync(cluster.folder.runFile)).toBe(false);
    expect(existsSync(cluster.folder.controlSocket)).toBe(false);
    expect(existsSync(cluster.folder.lock)).toBe(false);
    cluster = await LocalCluster.start({ stateDir: folder.path, layout });
  });

  /** The first line of what listens there; undefined when nothing comes within half a second. */
  function greeting(port: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1");
      const finish = (text?: string) => {
        socket.destroy();
        resolve(text);
      };
      socket.setTimeout(500, () => finish());
      socket.once("data", (bytes) => finish(bytes.toString()));
      socket.once("error", () => finish());
      socket.once("close", () => finish());
    });
  }

  function post(path: string, body: object): Promise<{ status: number | undefined; body: unknown }> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: cluster.folder.controlSocket, method: "POST", path: `/${path}` }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.once("end", () =>
          resolve({ status: answer.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) as unknown }),
        );
      });
      sent.once("error", reject);
      sent.end(JSON.stringify(body));
    });
  }
});
