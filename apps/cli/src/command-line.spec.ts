import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommandLine } from "./command-line.ts";
import { recordedSurroundings } from "./testing/recorded-surroundings.ts";

async function run(argv: readonly string[], given: Parameters<typeof recordedSurroundings>[0] = {}) {
  const surroundings = recordedSurroundings(given);
  const exitCode = await runCommandLine(argv, surroundings);
  return { exitCode, out: surroundings.out(), err: surroundings.err() };
}

describe("the command line", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "understudy-cli-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    "status",
    "watch",
    "topology",
    "history",
    "doctor",
    "logs",
    "config get",
    "config set",
    "config apply",
    "drain",
    "resume",
    "switchover",
    "kill",
    "start",
    "freeze",
    "thaw",
    "cut",
    "heal",
    "secrets setup",
    "secrets list",
    "secrets rotate",
  ])("%s has a help with an example and the ways to a cluster", async (command) => {
    const { exitCode, out } = await run([...command.split(" "), "--help"]);
    expect(exitCode).toBe(0);
    expect(out).toContain(`  understudy ${command}`);
    expect(out).toContain("--format <format>");
  });

  it("answers a mistyped command with the one that was meant, and exit code 2", async () => {
    const { exitCode, err, out } = await run(["statsu"]);
    expect(exitCode).toBe(2);
    expect(err).toContain("Did you mean status?");
    expect(out).toBe("");
  });

  it.each([["kill"], ["config", "set", "x"], ["status", "--frmat", "json"], ["switchover", "database"], []])(
    "does not accept %p %p %p",
    async (...argv) => {
      const { exitCode, err } = await run(argv.filter((word) => typeof word === "string"));
      expect(exitCode).toBe(2);
      expect(err).not.toBe("");
    },
  );

  it("tells scripts about wrong usage in their form", async () => {
    const { exitCode, err } = await run(["kill", "--format", "json"]);
    expect(exitCode).toBe(2);
    expect(JSON.parse(err)).toEqual({ code: "invalid-request", message: "missing required argument 'target'" });
  });

  it("says in one sentence what to do when there is no cluster", async () => {
    const { exitCode, err } = await run(["status"], { folder });
    expect(exitCode).toBe(1);
    expect(err).toContain("No cluster found");
    expect(err).toContain("npm start");
  });

  it("takes the folder of a cluster from --state-dir or UNDERSTUDY_STATE_DIR", async () => {
    const byOption = await run(["status", "--state-dir", "elsewhere"], { folder });
    const byVariable = await run(["status"], { folder, environment: { UNDERSTUDY_STATE_DIR: "elsewhere" } });
    expect(byOption.err).toContain(join(folder, "elsewhere", "run.json"));
    expect(byVariable.err).toBe(byOption.err);
  });

  it("refuses NATS addresses that are none", async () => {
    const { exitCode, err } = await run(["status", "--nats", "localhost:4222", "--format", "json"], { folder });
    expect(exitCode).toBe(1);
    expect(JSON.parse(err)).toMatchObject({
      code: "invalid-request",
      message: expect.stringContaining("localhost:4222"),
    });
  });

  it("never reaches for a local supervisor while a remote cluster is named", async () => {
    const { exitCode, err } = await run(["kill", "message-server-a", "--nats", "nats://127.0.0.1:1"], { folder });
    expect(exitCode).toBe(1);
    expect(err).toContain("needs the supervisor of a local cluster");
  });

  it.each([
    ["history", "--limit", "0"],
    ["history", "--limit", "many"],
    ["watch", "--interval", "1ms"],
  ])("refuses %s %s %s before it asks anybody", async (...argv) => {
    const { exitCode, err } = await run([...argv, "--nats", "nats://127.0.0.1:1", "--format", "json"], { folder });
    expect(exitCode).toBe(1);
    expect(JSON.parse(err)).toMatchObject({ code: "invalid-request" });
  });
});
