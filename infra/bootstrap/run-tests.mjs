import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { orExplain, prepareWorkspace, root, seconds, startChild } from "./workspace.mjs";

/**
 * What jest's `--json` result counts for the closing line. A file that could not run at all counts as one failure,
 * and so does a jest that ended without a result.
 */
export function countsOf(result) {
  if (result === undefined) return { passed: 0, failed: 1, skipped: 0 };
  return {
    passed: result.numPassedTests,
    failed: result.numFailedTests + result.numRuntimeErrorTestSuites,
    skipped: result.numPendingTests + result.numTodoTests,
  };
}

export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

const nodeOptions = () =>
  [process.env.NODE_OPTIONS, "--experimental-vm-modules", "--disable-warning=ExperimentalWarning"]
    .filter(Boolean)
    .join(" ");

/** Runs one jest project with its output as it comes; its result, or undefined when it ended without one. */
async function runProject(project, args, folder) {
  const outputFile = join(folder, `${project}.json`);
  const child = startChild(
    process.execPath,
    [
      join(root, "node_modules/jest/bin/jest.js"),
      "--selectProjects",
      project,
      "--passWithNoTests",
      "--json",
      `--outputFile=${outputFile}`,
      ...args,
    ],
    // jest prints what happens on stderr; with --json stdout carries the result once more.
    { env: { ...process.env, NODE_OPTIONS: nodeOptions() }, stdio: ["inherit", "ignore", "inherit"] },
  );
  const code = await new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", () => resolve(1));
  });
  try {
    return { code, counts: countsOf(JSON.parse(readFileSync(outputFile, "utf8"))) };
  } catch {
    console.error(`jest ended without a result for the ${project} tests (exit code ${code}).`);
    return { code, counts: countsOf(undefined) };
  }
}

/** Runs all tests (or those that `args` select), prints the counts as the last line, and returns the exit code. */
export async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), "understudy-tests-"));
  const startedAt = performance.now();
  try {
    const unit = await runProject("unit", args, folder);
    // A handle that a library leaks must not keep a finished run waiting; jest says so when it happens.
    const integration = await runProject("integration", ["--runInBand", "--forceExit", ...args], folder);
    const total = {
      passed: unit.counts.passed + integration.counts.passed,
      failed: unit.counts.failed + integration.counts.failed,
      skipped: unit.counts.skipped + integration.counts.skipped,
    };
    console.log(`The tests took ${seconds(startedAt)}.`);
    if (total.passed + total.failed === 0) console.error("No test ran.");
    console.log(closingLine(total));
    const allWell = unit.code === 0 && integration.code === 0 && total.failed === 0 && total.passed > 0;
    return allWell ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function testAll(args) {
  await orExplain(() => prepareWorkspace());
  process.exitCode = await runTests(args);
}
