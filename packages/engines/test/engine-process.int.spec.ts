import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  EngineProcess,
  EngineStartError,
  freePorts,
  natsServerReady,
  prepareNatsServer,
  processTree,
  type NatsServerOptions,
  type SpawnSpec,
} from "@understudy/engines";

const shell = (script: string): SpawnSpec => ({ command: "/bin/sh", args: ["-c", script], env: {}, cwd: "/" });
const never = () => new Promise<void>(() => undefined);

describe("an engine process", () => {
  it("that dies early fails its start with its last words", async () => {
    const engine = EngineProcess.start("engine", shell("echo one; echo two >&2; exit 3"));
    const error = await engine.ready(never).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(EngineStartError);
    expect((error as Error).message).toMatch(/^engine ended at its start \(code 3\)\. Its last words:\n/);
    expect((error as Error).message.split("\n").slice(1).sort()).toEqual(["one", "two"]);
  });

  it("that does not exist, or is not ready in time, fails its start too", async () => {
    const missing = EngineProcess.start("engine", { ...shell(""), command: "/nowhere/engine" });
    await expect(missing.ready(never)).rejects.toThrow(/^engine could not be started: spawn \/nowhere\/engine ENOENT/);
    expect(await missing.stop()).toEqual({ code: null, signal: null });
    const slow = EngineProcess.start("engine", shell("sleep 300"));
    const untilAborted = (signal: AbortSignal) =>
      new Promise<void>((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(new Error("the door is closed"))),
      );
    await expect(slow.ready(untilAborted, 50)).rejects.toThrow(/^engine is not ready: the door is closed/);
    await slow.kill();
  });

  it("keeps a bounded tail and hands on every line", async () => {
    const lines: string[] = [];
    const engine = EngineProcess.start("engine", shell("i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo $i; done"), {
      onLine: (line) => lines.push(line),
    });
    await engine.exited;
    while (lines.length < 1_000) await new Promise((resolve) => setImmediate(resolve));
    expect(engine.tail.split("\n")).toEqual(lines.slice(-30));
  });

  it("inherits nothing of the environment", async () => {
    const lines: string[] = [];
    const spec: SpawnSpec = { command: "/usr/bin/env", args: [], env: { ONLY: "this" }, cwd: "/" };
    await EngineProcess.start("engine", spec, { onLine: (line) => lines.push(line) }).exited;
    while (lines.length < 1) await new Promise((resolve) => setImmediate(resolve));
    expect(lines).toEqual(["ONLY=this"]);
  });

  it("is killed when it does not stop when asked", async () => {
    const engine = EngineProcess.start("engine", shell("trap '' TERM; echo ready; while :; do sleep 1; done"), {
      stopTimeoutMs: 100,
    });
    while (engine.tail !== "ready") await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await engine.stop()).toEqual({ code: null, signal: "SIGKILL" });
    expect(processTree(engine.pid ?? 0)).toEqual([]);
    // The id may be somebody else's now.
    engine.freeze();
    await engine.kill();
  });
});

describe("a NATS node", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "understudy-engines-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function optionsOf(): Promise<NatsServerOptions> {
    const [clientPort = 0, routePort = 0, monitorPort = 0] = await freePorts(3);
    return {
      name: "nats-a",
      cluster: "test",
      dataDir: join(folder, "nats-a"),
      clientPort,
      routePort,
      monitorPort,
      routes: [],
      user: "understudy",
      password: 'a "quoted" \\ secret',
    };
  }

  it("becomes ready, keeps its configuration to its owner and stops in order", async () => {
    const options = await optionsOf();
    const node = EngineProcess.start("nats-a", prepareNatsServer(options));
    await node.ready((signal) => natsServerReady(options, signal));
    expect(statSync(join(options.dataDir, "nats-server.conf")).mode & 0o777).toBe(0o600);
    expect(await node.stop()).toEqual({ code: 0, signal: null });
  });

  it("whose port is taken fails its start and says so", async () => {
    const blocker = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => blocker.once("listening", resolve));
    const options = { ...(await optionsOf()), clientPort: (blocker.address() as AddressInfo).port };
    const node = EngineProcess.start("nats-a", prepareNatsServer(options));
    await expect(node.ready((signal) => natsServerReady(options, signal))).rejects.toThrow(/address already in use/);
    blocker.close();
  });
});

describe("free ports", () => {
  it("are never handed out twice", async () => {
    const ports = (await Promise.all([freePorts(20), freePorts(20), freePorts(20)])).flat();
    expect(new Set(ports).size).toBe(60);
  });
});
