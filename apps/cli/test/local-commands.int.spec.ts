import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommandLine } from "../src/command-line.ts";
import { LocalCluster } from "./local-cluster.ts";

const line = (time: string, message: string, level = 30): string =>
  `${JSON.stringify({ level, time: `2026-01-31T12:00:${time}Z`, msg: message })}\n`;

describe("commands that need the supervisor or its files", () => {
  let cluster: LocalCluster;
  const understudy = (...argv: readonly string[]) => cluster.understudy(...argv);

  beforeAll(async () => {
    cluster = await LocalCluster.start();
  });
  beforeEach(() => {
    cluster.controlled.length = 0;
    cluster.writeRun(cluster.run);
  });
  afterAll(() => cluster.stop());

  describe("kill, start, freeze, thaw, cut, heal", () => {
    it.each([
      ["kill", "app-server-a", false],
      ["start", "machine-b", false],
      ["freeze", "message-server-a", false],
      ["thaw", "message-server-a", false],
      ["cut", "machine-b", false],
      ["heal", "machine-b", false],
    ])("%s %s is asked of the supervisor, whose answer is shown", async (action, target, stay) => {
      const { exitCode, out } = await understudy(action, target);
      expect(exitCode).toBe(0);
      expect(out).toBe("app-server-a: done.\n");
      expect(cluster.controlled).toEqual([{ path: `/${action}`, body: { target, stay } }]);
    });

    it("kill --stay says so", async () => {
      await understudy("kill", "machine-b", "--stay");
      expect(cluster.controlled).toEqual([{ path: "/kill", body: { target: "machine-b", stay: true } }]);
    });

    it.each([
      ["kill", "mesage-server-a", "Did you mean message-server-a?"],
      ["cut", "app-server-a", 'There is no machine "app-server-a"'],
    ])("%s %s is refused with what there is, and asked of nobody", async (action, target, words) => {
      const { exitCode, err } = await understudy(action, target);
      expect(exitCode).toBe(1);
      expect(err).toContain(words);
      expect(err).toContain("machine-b");
      expect(cluster.controlled).toEqual([]);
    });

    it("an error of the supervisor keeps its code and fails the command", async () => {
      const answer = cluster.controlAnswer;
      cluster.controlAnswer = { status: 409, body: { code: "conflict", message: "Not now.", retryable: false } };
      const { exitCode, err } = await understudy("kill", "app-server-a", "--format", "json");
      cluster.controlAnswer = answer;
      expect(exitCode).toBe(1);
      expect(JSON.parse(err)).toEqual({ code: "conflict", message: "Not now." });
    });

    it("a supervisor that is gone is named, with what to do", async () => {
      await cluster.stopControl();
      const { exitCode, err } = await understudy("kill", "app-server-a");
      await cluster.startControl();
      expect(exitCode).toBe(1);
      expect(err).toContain(`The supervisor (pid ${process.pid}) does not listen`);
      expect(err).toContain("npm start");
    });
  });

  describe("logs", () => {
    const file = (id: string): string => join(cluster.logs, `${id}.log`);
    beforeEach(() => {
      writeFileSync(file("message-server-a"), line("01.000", "first") + line("03.000", "third", 40));
      writeFileSync(file("app-server-b"), line("02.000", "second"));
    });
    const messages = (out: string): string[] =>
      out
        .trim()
        .split("\n")
        .map((text) => (JSON.parse(text) as { message: string }).message);

    it("merge all processes by time", async () => {
      const { out } = await understudy("logs");
      expect(out).toMatch(/INFO {2}message-server-a .*first\n.*INFO {2}app-server-b .*second\n.*WARN .*third\n/);
    });

    it("can be kept to a process, a machine, a level, a time, a number", async () => {
      expect(messages((await understudy("logs", "app-server-b", "--format", "json")).out)).toEqual(["second"]);
      expect(messages((await understudy("logs", "machine-b", "--format", "json")).out)).toEqual(["second"]);
      expect(messages((await understudy("logs", "--level", "warn", "--format", "json")).out)).toEqual(["third"]);
      expect(messages((await understudy("logs", "-n", "2", "--format", "json")).out)).toEqual(["second", "third"]);
      const since = ["--since", "2026-01-31T12:00:02Z", "--format", "json"];
      expect(messages((await understudy("logs", ...since)).out)).toEqual(["second", "third"]);
    });

    it("of a name that nobody has are refused with what there is", async () => {
      const { exitCode, err } = await understudy("logs", "app-server-q");
      expect(exitCode).toBe(1);
      expect(err).toContain("Did you mean app-server-a or app-server-b?");
    });

    it("--follow brings what is written, from new processes too, until it is interrupted", async () => {
      const surroundings = cluster.surroundings();
      const running = runCommandLine(["logs", "-f", "--format", "json"], surroundings);
      await surroundings.written((text) => text.includes("third"));
      appendFileSync(file("app-server-b"), line("04.000", "fourth"));
      writeFileSync(file("app-server-c"), line("05.000", "fifth"));
      await surroundings.written((text) => text.includes("fourth") && text.includes("fifth"));
      surroundings.interrupt();
      expect(await running).toBe(0);
      rmSync(file("app-server-c"));
      expect(messages(surroundings.out()).filter((message) => message === "third")).toHaveLength(1);
    });
  });

  describe("doctor", () => {
    it("looks at real NATS, real sockets and processes, and fails with what is wrong and what to do", async () => {
      const { exitCode, out } = await understudy("doctor", "--format", "json");
      expect(exitCode).toBe(1);
      const { healthy, checks } = JSON.parse(out) as {
        healthy: boolean;
        checks: { name: string; findings: { subject: string; problem: string; remedy: string }[] }[];
      };
      expect(healthy).toBe(false);
      const of = (name: string) => checks.find((one) => one.name === name)?.findings ?? [];
      expect(of("supervisor")).toEqual([]);
      expect(of("NATS nodes")).toEqual([]);
      expect(of("JetStream")).toEqual([]);
      expect(of("message server")).toEqual([]);
      // Nothing listens at the example's addresses, and nobody publishes a routing table.
      expect(of("processes").map(({ subject }) => subject)).toContain("app-server-a");
      expect(of("databases")).toEqual([
        { subject: "postgres-a", problem: expect.stringContaining("cannot be reached"), remedy: expect.any(String) },
      ]);
      expect(of("app servers").map(({ subject }) => subject)).toContain("routing table");
    });

    it("says that the supervisor is gone when only its run.json is left", async () => {
      const exited = 2 ** 22 - 3;
      cluster.writeRun({ ...cluster.run, supervisor: { ...cluster.run.supervisor, pid: exited } });
      const { exitCode, out } = await understudy("doctor");
      expect(exitCode).toBe(1);
      expect(out).toContain(`process ${exited} is gone`);
    });
  });
});
