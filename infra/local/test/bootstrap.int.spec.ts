import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { temporaryFolder } from "@understudy/testkit";
import { repository } from "../src/programs.ts";

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}
interface Bootstrap {
  readonly isNewEnough: (version: string) => boolean;
  readonly carriesBinaries: (platform: string, arch: string, isGlibc: boolean) => boolean;
  readonly missingEngines: (environment: Record<string, string>) => string[];
  readonly explainInstallFailure: (output: string) => string | undefined;
  readonly countsOf: (result?: object) => Counts;
  readonly closingLine: (counts: Counts) => string;
}

const file = (name: string) => join(repository, "infra/bootstrap", name);
/** Plain JavaScript without declarations: it must run before anything is installed. */
const load = async (name: string) => (await import(file(name))) as Bootstrap;

function run(script: string, environment: Record<string, string>): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file(script)], {
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("close", (code) => resolve({ code, output }));
  });
}

describe("the bootstrap", () => {
  it("takes Node from 20.19 on", async () => {
    const { isNewEnough } = await load("node-version.mjs");
    expect(["20.19.0", "20.20.2", "22.0.0"].map(isNewEnough)).toEqual([true, true, true]);
    expect(["20.18.3", "18.20.8", "8.17.0"].map(isNewEnough)).toEqual([false, false, false]);
  });

  it("asks for engines only where npm carries none", async () => {
    const { carriesBinaries, missingEngines } = await load("workspace.mjs");
    expect(carriesBinaries("linux", "x64", true)).toBe(true);
    expect(carriesBinaries("linux", "x64", false)).toBe(false);
    expect(carriesBinaries("darwin", "arm64", true)).toBe(false);
    expect(missingEngines({ PATH: "" }).join()).toMatch(/UNDERSTUDY_NATS_SERVER_BIN.*UNDERSTUDY_POSTGRES_BIN_DIR/);
    expect(missingEngines({ UNDERSTUDY_NATS_SERVER_BIN: "/n", UNDERSTUDY_POSTGRES_BIN_DIR: "/p" })).toEqual([]);
  });

  it("says in one sentence why npm failed, where it is not our fault", async () => {
    const { explainInstallFailure } = await load("workspace.mjs");
    expect(explainInstallFailure("npm error code ENOTFOUND\nnpm error network ...")).toMatch(
      /^The package registry cannot/,
    );
    expect(explainInstallFailure("npm error ENOSPC: no space left on device, write")).toMatch(
      /^The disk of .* is full/,
    );
    expect(explainInstallFailure("npm error code EUSAGE")).toBeUndefined();
  });

  it("counts a test file that could not run as a failure, and a jest without a result", async () => {
    const { countsOf, closingLine } = await load("run-tests.mjs");
    const result = {
      numPassedTests: 5,
      numFailedTests: 1,
      numRuntimeErrorTestSuites: 1,
      numPendingTests: 0,
      numTodoTests: 0,
    };
    expect(closingLine(countsOf(result))).toBe("5 passed, 2 failed");
    expect(closingLine(countsOf({ ...result, numPendingTests: 2, numTodoTests: 1 }))).toBe(
      "5 passed, 2 failed, 3 skipped",
    );
    expect(closingLine(countsOf())).toBe("0 passed, 1 failed");
  });

  it("refuses a second start before it installs or builds anything", async () => {
    const folder = temporaryFolder("second-start");
    const controlSocket = join(folder.path, "control.sock");
    const supervisor = createServer().listen(controlSocket);
    const description = { supervisor: { pid: 4711, controlSocket }, urls: { loadBalancer: "http://127.0.0.1:8080" } };
    writeFileSync(join(folder.path, "run.json"), JSON.stringify(description));
    expect(await run("start.mjs", { UNDERSTUDY_STATE_DIR: folder.path })).toEqual({
      code: 1,
      output: "Understudy runs already: http://127.0.0.1:8080 (process 4711). Stop it with Ctrl-C or: kill 4711\n",
    });
    await new Promise((resolve) => supervisor.close(resolve));
    folder.remove();
  });
});
