import { runTests } from "./run-tests.mjs";
import { build, orExplain, prepareDependencies, seconds, startChild } from "./workspace.mjs";

const npmScript = (name) => () =>
  new Promise((resolve) => {
    const child = startChild("npm", ["run", "--silent", name], { stdio: "inherit" });
    child.once("exit", (code) => resolve(code ?? 1));
    child.once("error", () => resolve(1));
  });

const steps = [
  { name: "format", run: npmScript("format:check") },
  { name: "lint", run: npmScript("lint") },
  { name: "types", run: npmScript("typecheck") },
  { name: "build", run: () => orExplain(() => build()).then(() => 0) },
];

/** Format, lint, types, build, tests: ends at the first that fails. The counts of the tests are the last line. */
export async function verify() {
  await orExplain(prepareDependencies);
  for (const { name, run } of steps) {
    console.log(`verify: ${name} ...`);
    const startedAt = performance.now();
    const code = await run();
    if (code !== 0) {
      console.error(`verify: ${name} failed (${seconds(startedAt)})`);
      process.exitCode = 1;
      return;
    }
    console.log(`verify: ${name} passed (${seconds(startedAt)})`);
  }
  console.log("verify: tests ...");
  process.exitCode = await runTests([]);
}
