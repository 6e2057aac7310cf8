/** `npm run dev -w apps/<service>`: one more instance of a service, with reload, in the cluster that runs here. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { childMessage, runFile, serviceKind, type ServiceKind } from "@understudy/contracts";
import { Reaper, signalTree } from "@understudy/engines";
import { CallerError } from "@understudy/runtime/errors";
import { watchNpm } from "./ancestors.ts";
import { readFromSupervisor } from "./control-client.ts";
import type { ClusterPlan } from "./plan.ts";
import { inheritedEnvironment, repository, serviceScript } from "./programs.ts";
import { serviceEnvironment } from "./service-environment.ts";
import { StateFolder, stateDirOf } from "./state-folder.ts";

const say = (text: string): void => void process.stdout.write(`dev: ${text}\n`);
const stopMs = 12_000;

/** The compiler's last line of each round. */
function errorsIn(line: string): number | undefined {
  const found = /Found (\d+) errors?\. Watching for file changes/.exec(line);
  return found ? Number(found[1]) : undefined;
}

/** @throws CallerError when no cluster runs here. */
async function runningPlan(): Promise<ClusterPlan> {
  const { runFile: path } = new StateFolder(stateDirOf(repository));
  const start = "Start a cluster first: npm start (in another terminal, at the top of the repository).";
  if (!existsSync(path)) throw new CallerError("unavailable", `No cluster runs here. ${start}`);
  const { supervisor } = runFile.parse(JSON.parse(readFileSync(path, "utf8")));
  try {
    return (await readFromSupervisor(supervisor.controlSocket, "plan")) as ClusterPlan;
  } catch (cause) {
    throw new CallerError("unavailable", `The cluster of ${path} is gone. ${start}`, { cause });
  }
}

function environmentFor(kind: ServiceKind, plan: ClusterPlan): Record<string, string> {
  const [machine] = plan.machines;
  const view = plan.views[machine ?? ""];
  if (view === undefined) throw new CallerError("unavailable", "The running cluster has no machine.");
  return {
    ...inheritedEnvironment(),
    ...serviceEnvironment(plan.settings, view, { id: `${kind}-dev`, kind, opsPort: 0, httpPort: 0 }),
    ...(process.stdout.isTTY && { UNDERSTUDY_LOG_FORMAT: "pretty", FORCE_COLOR: "1" }),
  };
}

/** The one service process of this run; a reload ends it as SIGTERM does anywhere and starts the new build. */
class ReloadedService {
  #child: ChildProcess | undefined;
  #reloads: Promise<void> = Promise.resolve();

  constructor(
    private readonly kind: ServiceKind,
    private readonly environment: Record<string, string>,
  ) {}

  reload(): Promise<void> {
    this.#reloads = this.#reloads.then(async () => {
      await this.#end();
      this.#start();
    });
    return this.#reloads;
  }

  stop(): Promise<void> {
    this.#reloads = this.#reloads.then(() => this.#end());
    return this.#reloads;
  }

  #start(): void {
    // Its channel ends it when this process is gone.
    const child = spawn(process.execPath, ["--enable-source-maps", serviceScript(this.kind)], {
      cwd: repository,
      env: this.environment,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      detached: true,
    });
    this.#child = child;
    say(`${this.kind}-dev starts (process ${child.pid})`);
    child.on("message", (message) => {
      const { success, data } = childMessage.safeParse(message);
      if (success && data.type === "started") say(`${this.kind}-dev runs; ops: ${data.opsUrl}`);
      if (success && data.type === "serving") say(`${this.kind}-dev serves ${data.url}`);
    });
    child.on("error", (error) => say(`${this.kind}-dev: ${error.message}`));
    child.once("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      say(`${this.kind}-dev ended (${signal ?? `exit code ${code}`}); the next change of its source starts it again.`);
    });
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    this.#child = undefined;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
    await ended;
    clearTimeout(timer);
  }
}

/** Compiles at each change; `onBuilt` after each round without errors. */
function watchSource(folder: string, onBuilt: () => void): ChildProcess {
  const compiler = spawn(
    process.execPath,
    [
      join(repository, "node_modules/typescript/bin/tsc"),
      "-p",
      "tsconfig.build.json",
      "--watch",
      "--preserveWatchOutput",
    ],
    { cwd: folder, stdio: ["ignore", "pipe", "inherit"], detached: true },
  );
  createInterface({ input: compiler.stdout }).on("line", (line) => {
    if (line.trim() !== "") process.stdout.write(`${line}\n`);
    const errors = errorsIn(line);
    if (errors === 0) onBuilt();
    else if (errors !== undefined) say("not reloaded: the source has errors.");
  });
  return compiler;
}

async function main(args: readonly string[]): Promise<void> {
  const { success, data: kind } = serviceKind.safeParse(args[0]);
  if (!success || args.length !== 1) {
    throw new CallerError("invalid-request", `Name one service: ${serviceKind.options.join(", ")}.`);
  }
  const service = new ReloadedService(kind, environmentFor(kind, await runningPlan()));
  const compiler = watchSource(join(repository, "apps", kind), () => void service.reload());
  const reaper = new Reaper();
  if (compiler.pid !== undefined) reaper.watch(compiler.pid);
  let isStopping = false;
  const end = (code: number) => {
    if (isStopping) return;
    isStopping = true;
    if (compiler.pid !== undefined && compiler.exitCode === null) signalTree(compiler.pid, "SIGKILL");
    void service.stop().then(() => process.exit(code));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end(0));
  watchNpm(() => end(0));
  compiler.once("exit", (code) => {
    if (isStopping) return;
    say(`the compiler ended (exit code ${code}).`);
    end(1);
  });
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof CallerError ? error.message : error);
  process.exit(1);
});
