/**
 * A copy of the source tree in which one line is made wrong, to see whether the tests notice.
 *
 * It owns a temporary folder with the sources and a `node_modules` of links: third-party packages lead to the
 * installed ones, `@understudy/*` to the copy, so that tests there see the planted bug and nothing else does.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { temporaryFolder, type TemporaryFolder } from "@understudy/testkit";
import type { PlantedBug } from "./planted-bugs.ts";

/** The repository: this file lies in infra/drill/src/planted or infra/drill/dist/planted. */
const repository = join(import.meta.dirname, "../../../..");
const copied = ["packages", "apps", "infra", "jest.config.mjs", "package.json", "tsconfig.json", "tsconfig.base.json"];
const leftOut = new Set(["node_modules", ".turbo", ".understudy"]);

export interface TestRun {
  /** At least one test failed, and none for want of a file or a broken import. */
  readonly isCaught: boolean;
  readonly failedTests: readonly string[];
  readonly output: string;
}

interface JestReport {
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The text with the bug in it. @throws Error when what the bug replaces does not stand there exactly once. */
function withBug({ name, file, right, wrong }: PlantedBug, text: string): string {
  const pieces = text.split(right);
  if (pieces.length !== 2) {
    throw new Error(
      `"${name}" does not fit ${file}: what it replaces stands there ${pieces.length - 1} times. Bring it up to date.`,
    );
  }
  return pieces.join(wrong);
}

/** The repository's own file with the bug in it, in memory only. @throws Error when the bug no longer fits the code. */
export const plantedText = (bug: PlantedBug): string => withBug(bug, readFileSync(join(repository, bug.file), "utf8"));

export class PlantedTree {
  readonly #folder: TemporaryFolder;

  constructor() {
    this.#folder = temporaryFolder("planted");
    for (const name of copied) {
      cpSync(join(repository, name), join(this.#folder.path, name), {
        recursive: true,
        filter: (source) => !leftOut.has(basename(source)),
      });
    }
    this.#linkModules();
  }

  #linkModules(): void {
    const installed = join(repository, "node_modules");
    const own = join(this.#folder.path, "node_modules");
    mkdirSync(join(own, "@understudy"), { recursive: true });
    for (const name of readdirSync(installed)) {
      if (name !== "@understudy" && name !== ".bin") symlinkSync(join(installed, name), join(own, name));
    }
    for (const group of ["packages", "apps", "infra"]) {
      for (const name of readdirSync(join(this.#folder.path, group))) {
        symlinkSync(join("../..", group, name), join(own, "@understudy", name));
      }
    }
  }

  /** Runs the bug's tests with the bug in place and takes it out again. @throws Error when it no longer fits the code. */
  async try(bug: PlantedBug, timeoutMs = 300_000): Promise<TestRun> {
    const path = join(this.#folder.path, bug.file);
    const right = readFileSync(path, "utf8");
    writeFileSync(path, withBug(bug, right));
    try {
      return await this.#test(bug, timeoutMs);
    } finally {
      writeFileSync(path, right);
    }
  }

  #test({ test, name }: PlantedBug, timeoutMs: number): Promise<TestRun> {
    const report = join(this.#folder.path, "report.json");
    writeFileSync(report, "");
    const project = test.path.endsWith(".int.spec.ts") ? "integration" : "unit";
    const args = [
      "--experimental-vm-modules",
      join(repository, "node_modules/jest/bin/jest.js"),
      test.path,
      ...(test.name === undefined ? [] : ["--testNamePattern", test.name]),
      "--selectProjects",
      project,
      "--runInBand",
      "--forceExit",
      // A bug that makes somebody wait for ever is caught by that; without it each of these tests takes 2 s.
      "--testTimeout=20000",
      "--json",
      `--outputFile=${report}`,
    ];
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        args,
        { cwd: this.#folder.path, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024, killSignal: "SIGKILL" },
        (_error, stdout, stderr) => {
          const output = `${stderr}\n${stdout}`;
          let found: JestReport;
          try {
            found = JSON.parse(readFileSync(report, "utf8")) as JestReport;
          } catch {
            reject(new Error(`The tests against "${name}" did not end with a report:\n${output.slice(-4_000)}`));
            return;
          }
          const failedTests = found.testResults.flatMap(({ assertionResults }) =>
            assertionResults.filter(({ status }) => status === "failed").map(({ fullName }) => fullName),
          );
          resolve({ isCaught: failedTests.length > 0, failedTests, output });
        },
      );
    });
  }

  remove(): void {
    this.#folder.remove();
  }
}
