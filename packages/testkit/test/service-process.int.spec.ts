import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { builtMain, ServiceProcess, temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import { processTree } from "@understudy/engines";

const incarnation = "018f0000-0000-7000-8000-000000000001";

/** What a service says, without a service: log lines, IPC messages, an orderly stop. */
const script = `
  const say = (message) => process.send(message);
  console.log(JSON.stringify({ level: 30, msg: "starting", id: process.env.UNDERSTUDY_ID }));
  console.log("a plain line");
  say({ type: "incarnation", incarnation: "${incarnation}" });
  say({ type: "nonsense" });
  if (process.env.FAILS) { console.error("no such setting"); process.exit(78); }
  process.on("SIGTERM", () => { console.log(JSON.stringify({ msg: "stopped" })); process.exit(0); });
  process.on("disconnect", () => process.exit(3));
  process.on("message", ({ type }) => { if (type === "ping") say({ type: "pong" }); });
  setTimeout(() => {
    say({ type: "serving", url: "http://127.0.0.1:1" });
    say({ type: "started", opsUrl: "http://127.0.0.1:2" });
  }, 50);
  setInterval(() => undefined, 1_000);`;

describe("a service process", () => {
  let folder: TemporaryFolder;
  let service: string;
  const running: ServiceProcess[] = [];
  const launch = (environment: Record<string, string> = {}): ServiceProcess => {
    const launched = ServiceProcess.launch({ service, environment: { UNDERSTUDY_ID: "app-server-a", ...environment } });
    running.push(launched);
    return launched;
  };
  beforeAll(() => {
    folder = temporaryFolder("service");
    service = join(folder.path, "main.cjs");
    writeFileSync(service, script);
  });
  afterEach(() => Promise.all(running.splice(0).map((each) => each.kill())));
  afterAll(() => folder.remove());

  it("tells what it said: incarnation, URLs, log lines", async () => {
    const started = launch();
    await started.started();
    expect(started).toMatchObject({ incarnation, opsUrl: "http://127.0.0.1:2", url: "http://127.0.0.1:1" });
    expect(await started.logged(/^start/)).toMatchObject({ level: 30, id: "app-server-a" });
    expect(started.messages.map(({ type }) => type)).toEqual(["incarnation", "serving", "started"]);
    expect(started.output).toContain("a plain line");
    started.send({ type: "ping" });
    await started.said("pong");
  });

  it("that ends before it started says so at once, with its output and exit code", async () => {
    await expect(launch({ FAILS: "1" }).started()).rejects.toThrow(
      /^app-server-a ended \(code 78\) before it said "started":[^]*no such setting/,
    );
  });

  it("says in time or fails with what it has so far", async () => {
    await expect(launch().said("accepts-connections", 300)).rejects.toThrow(
      /^app-server-a has not said "accepts-connections" within 300 ms:\na plain line/,
    );
  });

  it("ends in order on terminate, also out of a freeze; what it said last is heard", async () => {
    const terminated = launch();
    await terminated.started();
    terminated.freeze();
    expect(await terminated.terminate()).toEqual({ code: 0, signal: null });
    await terminated.logged("stopped");
  });

  it("notices the loss of its supervisor, and dies of a kill", async () => {
    const orphan = launch();
    const killed = launch();
    await Promise.all([orphan.started(), killed.started()]);
    orphan.disconnect();
    expect(await orphan.exited).toEqual({ code: 3, signal: null });
    expect(await killed.kill()).toEqual({ code: null, signal: "SIGKILL" });
    expect(processTree(killed.pid ?? 0)).toEqual([]);
    killed.freeze();
  });

  it("of a package that is not there, or cannot be run, says so", async () => {
    expect(() => builtMain("@understudy/nothing")).toThrow("There is no package @understudy/nothing");
    service = join(folder.path, "missing.cjs");
    await expect(launch().started()).rejects.toThrow(
      /ended \(code 1\) before it said "started":[^]*Cannot find module/,
    );
  });
});
