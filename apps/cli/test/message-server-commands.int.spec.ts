import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setConfiguration, switchover } from "@understudy/contracts";
import { eventually } from "@understudy/testkit";
import { runCommandLine } from "../src/command-line.ts";
import { exampleSettings, exampleStatus } from "../src/testing/example-cluster.ts";
import { LocalCluster } from "./local-cluster.ts";

describe("commands that ask the message server", () => {
  let cluster: LocalCluster;
  const understudy = (...argv: readonly string[]) => cluster.understudy(...argv);
  const json = async (...argv: readonly string[]): Promise<unknown> => {
    const { exitCode, out, err } = await understudy(...argv, "--format", "json");
    expect(err).toBe("");
    expect(exitCode).toBe(0);
    return JSON.parse(out);
  };
  const refusal = async (...argv: readonly string[]): Promise<unknown> => {
    const { exitCode, out, err } = await understudy(...argv, "--format", "json");
    expect(exitCode).toBe(1);
    expect(out).toBe("");
    return JSON.parse(err);
  };

  beforeAll(async () => {
    cluster = await LocalCluster.start();
  });
  beforeEach(() => {
    cluster.messageServer.status = exampleStatus();
    cluster.messageServer.configuration = exampleSettings();
    cluster.messageServer.loseAnswerTo = undefined;
    cluster.messageServer.asked.length = 0;
  });
  afterAll(() => cluster.stop());

  describe("status", () => {
    it("is read through run.json from a folder below, or through --nats from anywhere", async () => {
      expect(await json("status")).toMatchObject({ leader: { term: 7 }, processes: expect.any(Array) });
      const { nats } = cluster;
      const remote = await json(
        "status",
        "--nats",
        nats.servers.join(","),
        "--nats-user",
        nats.user,
        "--nats-password-file",
        nats.passwordFile,
      );
      expect(remote).toMatchObject({ leader: { term: 7 }, processes: [], urls: null });
    });

    it("is refused without the password", async () => {
      expect(await refusal("status", "--nats", cluster.nats.servers.join(","))).toMatchObject({
        code: "refused",
        message: expect.stringContaining("--nats-password-file"),
      });
    });

    it("waits with a note while nobody leads, and answers once somebody does", async () => {
      cluster.messageServer.stop();
      const surroundings = cluster.surroundings();
      const running = runCommandLine(["status"], surroundings);
      await eventually(() => surroundings.err().includes("Trying for up to 5 s"));
      await cluster.messageServer.start();
      expect(await running).toBe(0);
      expect(surroundings.out()).toContain("message-server-a leads");
    });

    it("without anybody tells what the supervisor knows, and fails", async () => {
      cluster.messageServer.stop();
      const { exitCode, out, err } = await understudy("status");
      await cluster.messageServer.start();
      expect(exitCode).toBe(1);
      expect(out).toContain("none answers");
      expect(out).toContain("app-server-a");
      expect(err).toContain("No message server answers.");
    }, 20_000);
  });

  it("watch draws again and again until it is interrupted, and ends well", async () => {
    const surroundings = cluster.surroundings();
    const running = runCommandLine(["watch", "--interval", "50ms", "--format", "json"], surroundings);
    await surroundings.written((text) => text.split("\n").length > 3);
    surroundings.interrupt();
    expect(await running).toBe(0);
    const lines = surroundings.out().trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { leader: { term: number } }).leader.term)).toContain(7);
  });

  it("watch on a terminal uses a screen of its own and gives it back", async () => {
    const surroundings = cluster.surroundings({ isTerminal: true });
    const running = runCommandLine(["watch", "--interval", "50ms"], surroundings);
    await surroundings.written((text) => text.includes("Ctrl-C ends"));
    surroundings.interrupt();
    expect(await running).toBe(0);
    expect(surroundings.out().startsWith("\u001B[?1049h")).toBe(true);
    expect(surroundings.out().endsWith("\u001B[?1049l")).toBe(true);
  });

  it("history comes in order of time, whatever order it was told in", async () => {
    const writtenBy = exampleStatus().leader.holder;
    cluster.messageServer.entries = [3, 1, 2].map((at) => ({
      type: "configuration",
      at,
      term: 7,
      writtenBy,
      summary: `change ${at}`,
      version: at,
      changedBy: "anna",
    }));
    expect(await json("history")).toMatchObject({ entries: [{ at: 1 }, { at: 2 }, { at: 3 }] });
    const { out } = await understudy("history");
    expect(out).toMatch(/change 1 .*\n.*change 2 .*\n.*change 3 /);
  });

  describe("config", () => {
    it("get prints one value bare, or the whole", async () => {
      expect((await understudy("config", "get", "appServers.drainMs")).out).toBe("20000\n");
      expect(await json("config", "get")).toMatchObject({ version: 3, settings: { appServers: { drainMs: 20_000 } } });
      expect(await refusal("config", "get", "appServers.drainMS")).toMatchObject({
        message: expect.stringContaining("Did you mean appServers.drainMs?"),
      });
    });

    it("set changes one value from the version that was read", async () => {
      const { exitCode, out } = await understudy("config", "set", "appServers.drainMs", "5000");
      expect(exitCode).toBe(0);
      expect(out).toBe("appServers.drainMs: 20000 → 5000\nVersion 3 → 4.\n");
      expect(cluster.messageServer.configuration.settings.appServers.drainMs).toBe(5_000);
      expect(cluster.messageServer.configuration.changedBy).toMatch(/.@./);
    });

    it("set whose answer is lost is asked again, and applied once", async () => {
      cluster.messageServer.loseAnswerTo = setConfiguration.subject;
      const { exitCode, out } = await understudy("config", "set", "appServers.drainMs", "5000");
      expect(exitCode).toBe(0);
      expect(out).toContain("Version 3 → 4.");
      expect(cluster.messageServer.asked.filter((subject) => subject === setConfiguration.subject)).toHaveLength(2);
    });

    it("set that nothing changes asks for nothing", async () => {
      const { exitCode, out } = await understudy("config", "set", "appServers.drainMs", "20000");
      expect(exitCode).toBe(0);
      expect(out).toContain("Nothing to change");
      expect(cluster.messageServer.configuration.version).toBe(3);
    });

    it("set names both versions when another one is there, and changes nothing", async () => {
      expect(await refusal("config", "set", "appServers.drainMs", "1", "--expect-version", "2")).toEqual({
        code: "conflict",
        message: expect.stringMatching(/Version 2 was expected, the cluster has version 3 \(changed by anna@desk/),
      });
      expect(cluster.messageServer.configuration.version).toBe(3);
    });

    it("of two editors who read the same version one wins and the other is told", async () => {
      const outcomes = await Promise.all(
        ["1000", "2000"].map((value) =>
          understudy("config", "set", "appServers.drainMs", value, "--expect-version", "3"),
        ),
      );
      expect(outcomes.filter(({ exitCode }) => exitCode === 0)).toHaveLength(1);
      expect(outcomes.find(({ exitCode }) => exitCode === 1)?.err).toContain(
        "Version 3 was expected, the cluster has version 4",
      );
      expect(cluster.messageServer.configuration.version).toBe(4);
    });

    it("set refuses nonsense with every fault before it asks", async () => {
      const nonsense = '{"cutOffAfterMs":-1,"lostAfterMs":"soon","colour":"red"}';
      expect(await refusal("config", "set", "appServers", nonsense)).toMatchObject({
        code: "invalid-request",
        faults: [
          expect.stringContaining("appServers.cutOffAfterMs"),
          expect.stringContaining("appServers.lostAfterMs"),
          "appServers.colour: no such setting",
        ],
      });
      expect(cluster.messageServer.asked).not.toContain(setConfiguration.subject);
    });

    it("apply takes what get printed, and expects the version that it had", async () => {
      const file = join(cluster.path, "cluster.json");
      const edited = (await json("config", "get")) as { settings: { appServers: { drainMs: number } } };
      edited.settings.appServers.drainMs = 7_000;
      writeFileSync(file, JSON.stringify(edited));
      expect(await json("config", "apply", "cluster.json")).toMatchObject({ versionBefore: 3, version: 4 });
      edited.settings.appServers.drainMs = 8_000;
      writeFileSync(file, JSON.stringify(edited));
      expect(await refusal("config", "apply", file)).toMatchObject({ code: "conflict" });
      expect(cluster.messageServer.configuration.settings.appServers.drainMs).toBe(7_000);
    });

    it("apply takes bare settings from standard input, with defaults for the rest", async () => {
      const surroundings = cluster.surroundings({ input: '{"loadBalancers":{"holdMs":1}}' });
      expect(await runCommandLine(["config", "apply", "-"], surroundings)).toBe(0);
      expect(surroundings.out()).toBe("loadBalancers.holdMs: 10000 → 1\nVersion 3 → 4.\n");
    });

    it("apply says what is wrong with the file", async () => {
      expect(await refusal("config", "apply", "nowhere.json")).toMatchObject({
        message: expect.stringContaining("nowhere.json cannot be read"),
      });
      writeFileSync(join(cluster.path, "broken.json"), "{");
      expect(await refusal("config", "apply", "broken.json")).toMatchObject({
        message: expect.stringContaining("broken.json is not JSON"),
      });
    });
  });

  describe("drain and resume", () => {
    it("move an app server and say what that means", async () => {
      expect((await understudy("drain", "app-server-b", "--reason", "memory")).out).toContain("app-server-b drains");
      expect(await json("resume", "app-server-b")).toMatchObject({ server: { state: "accepting" } });
    });

    it("of a name that nobody has lists the app servers", async () => {
      const { exitCode, err } = await understudy("drain", "app-server-x");
      expect(exitCode).toBe(1);
      expect(err).toContain('There is no app server "app-server-x". Did you mean app-server-a or app-server-b?');
    });
  });

  describe("switchover", () => {
    it("says who leads now, and of which term", async () => {
      const { exitCode, out } = await understudy("switchover", "message-server", "--to", "message-server-b");
      expect(exitCode).toBe(0);
      expect(out).toContain("message-server-b leads now (term 8); before it message-server-a (term 7)");
    });

    it("that happened although its answer was lost is found out, and not repeated", async () => {
      cluster.messageServer.loseAnswerTo = switchover.subject;
      expect(await json("switchover", "message-server")).toMatchObject({ to: { term: 8 } });
      expect(cluster.messageServer.asked.filter((subject) => subject === switchover.subject)).toHaveLength(1);
    }, 30_000);

    it("refuses whoever leads already or is no alternate", async () => {
      expect((await understudy("switchover", "message-server", "--to", "message-server-a")).err).toContain(
        "message-server-a leads already (term 7)",
      );
      expect((await understudy("switchover", "message-server", "--to", "message-server-c")).err).toContain(
        "Did you mean message-server-b?",
      );
    });
  });
});
