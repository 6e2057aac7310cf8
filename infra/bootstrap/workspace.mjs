/**
 * What must be there before anything can run: binaries for this platform, room on the disk, the dependencies, the
 * build. Each fault is one sentence (`SetupError`), told without a stack.
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

export const root = join(import.meta.dirname, "../..");

/** Something about this computer that its user can mend; the message says how. */
export class SetupError extends Error {}

/** Runs `work`; a SetupError becomes one sentence and exit code 1. */
export async function orExplain(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** Time since `startedAt`, for reading. */
export const seconds = (startedAt) => `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;

/** What npm's packages carry binaries for. Alpine's libc (musl) is not among it. */
export function carriesBinaries(platform = process.platform, arch = process.arch, isGlibc = hasGlibc()) {
  return platform === "linux" && arch === "x64" && isGlibc;
}

function hasGlibc() {
  return process.platform !== "linux" || process.report.getReport().header.glibcVersionRuntime !== undefined;
}

/** Names of what is missing on a platform without packaged binaries; empty: all there. */
export function missingEngines(environment) {
  const isOnPath = (environment.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, "nats-server")));
  const missing = [];
  if (!environment.UNDERSTUDY_NATS_SERVER_BIN && !isOnPath) {
    missing.push("UNDERSTUDY_NATS_SERVER_BIN to a nats-server (2.11 or newer)");
  }
  if (!environment.UNDERSTUDY_POSTGRES_BIN_DIR) {
    missing.push("UNDERSTUDY_POSTGRES_BIN_DIR to the folder with PostgreSQL 18's initdb and postgres");
  }
  return missing;
}

export function requireEngines(environment = process.env) {
  if (carriesBinaries()) return;
  const missing = missingEngines(environment);
  if (missing.length === 0) return;
  throw new SetupError(
    `Understudy carries its own nats-server and PostgreSQL for Linux x64 (glibc) only, and this is ${process.platform} ${process.arch}: set ${missing.join(" and ")}.`,
  );
}

/** `needed` bytes free where the tree lies, or one sentence. Installed dependencies take some 400 MB. */
function requireRoom(needed) {
  const { bavail, bsize } = statfsSync(root);
  const free = bavail * bsize;
  if (free >= needed) return;
  const megabytes = (bytes) => `${Math.floor(bytes / 1e6).toLocaleString("en")} MB`;
  throw new SetupError(`The disk of ${root} is nearly full: ${megabytes(free)} free, ${megabytes(needed)} are needed.`);
}

const lockFile = join(root, "package-lock.json");
const stampFile = join(root, "node_modules/.understudy-lock");
const hashOf = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

/** npm writes this file last; when it is not older than the lock, somebody ran npm by hand. */
function wasInstalledByHand() {
  const installed = join(root, "node_modules/.package-lock.json");
  return existsSync(installed) && statSync(installed).mtimeMs + 2_000 >= statSync(lockFile).mtimeMs;
}

/** Why npm failed, as one sentence for its user; undefined: nothing that we know. */
export function explainInstallFailure(output) {
  if (/\bENOSPC\b|no space left/i.test(output)) return `The disk of ${root} is full: npm ci could not finish.`;
  const network =
    /\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/.exec(
      output,
    );
  if (network) {
    return `The package registry cannot be reached (${network[1]}): the first start needs a network (npm config get registry).`;
  }
  if (/\b(EACCES|EPERM|EROFS)\b/.test(output)) return `npm ci may not write to ${join(root, "node_modules")}.`;
  return undefined;
}

/** Starts a command in the root that ends with us: who stops `npm start` in its middle leaves nothing behind. */
export function startChild(command, args, options) {
  const child = spawn(command, args, { cwd: root, ...options });
  const pass = (signal) => {
    child.once("exit", () => process.exit(1));
    child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, pass);
  // On SIGTERM npm ends its shell, which does not pass the signal on: then our parent is another one.
  const parent = process.ppid;
  const orphaned = () => process.env.npm_lifecycle_event !== undefined && process.ppid !== parent;
  const watch = setInterval(() => orphaned() && pass("SIGTERM"), 500);
  child.once("exit", () => {
    clearInterval(watch);
    for (const signal of signals) process.off(signal, pass);
  });
  return child;
}

/** Runs a command with its output kept. */
function run(command, args, environment = {}) {
  return new Promise((resolve) => {
    const child = startChild(command, args, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const keep = (chunk) => {
      output = (output + chunk).slice(-200_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", (error) => resolve({ code: 1, output: `${output}${error.message}` }));
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** npm as it was called, or the one on the PATH. */
function npmCommand() {
  const called = process.env.npm_execpath;
  if (called?.endsWith("npm-cli.js")) return { command: process.execPath, args: [called] };
  try {
    execFileSync("npm", ["--version"], { stdio: "ignore" });
  } catch {
    throw new SetupError("npm was not found on the PATH: it comes with Node, see https://nodejs.org.");
  }
  return { command: "npm", args: [] };
}

async function install() {
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === hashOf(lockFile)) return;
  if (!wasInstalledByHand()) {
    requireRoom(1e9);
    console.log("Installing the dependencies (npm ci) ...");
    const startedAt = performance.now();
    const { command, args } = npmCommand();
    const { code, output } = await run(command, [
      ...args,
      "ci",
      "--include=dev",
      "--include=optional",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
      // Without a network npm's own patience is a minute and a half of silence.
      "--fetch-retries=2",
      "--fetch-retry-mintimeout=1000",
      "--fetch-retry-maxtimeout=5000",
    ]);
    if (code !== 0) {
      throw new SetupError(
        explainInstallFailure(output) ?? `${output.trim()}\n\nnpm ci failed; its words stand above.`,
      );
    }
    console.log(`Dependencies installed (${seconds(startedAt)}).`);
  }
  writeFileSync(stampFile, hashOf(lockFile));
}

/** Builds `packages` (all when empty) and what they stand on; turbo skips what did not change. */
export async function build(packages = []) {
  const startedAt = performance.now();
  const { code, output } = await run(
    process.execPath,
    [
      join(root, "node_modules/turbo/bin/turbo"),
      "run",
      "build",
      "--output-logs=errors-only",
      ...packages.map((name) => `--filter=${name}`),
    ],
    { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" },
  );
  if (code !== 0) throw new SetupError(`${output.trim()}\n\nThe build failed; its words stand above.`);
  if (performance.now() - startedAt > 2_000) console.log(`Built (${seconds(startedAt)}).`);
}

/** Everything up to a built tree. */
export async function prepareWorkspace(packages = []) {
  requireEngines();
  await install();
  requireRoom(3e8);
  await build(packages);
}

/** Everything up to installed dependencies. */
export async function prepareDependencies() {
  requireEngines();
  await install();
}
