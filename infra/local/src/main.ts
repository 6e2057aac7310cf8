/** `npm start`: the cluster in the foreground, until somebody wants it to end. */
import { relative } from "node:path";
import { EngineMissingError } from "@understudy/engines";
import { UnderstudyError } from "@understudy/runtime/errors";
import colors from "picocolors";
import { watchNpm } from "./ancestors.ts";
import { help, parseArguments, type StartArguments } from "./arguments.ts";
import { LocalCluster } from "./local-cluster.ts";
import { Progress } from "./progress.ts";
import { repository } from "./programs.ts";
import { stateDirOf } from "./state-folder.ts";

/** After that it says what is missing, and goes on waiting. */
const patienceMs = 30_000;
const lookAgainMs = 1_000;

/** One Ctrl-C comes twice: from the terminal, and from npm, which passes it on. */
const repeatedMs = 500;

/** Runs the cluster; the process ends with it: 0 when it was told to stop, 1 on a fault, 2 on wrong arguments. */
export async function main(args: readonly string[]): Promise<void> {
  let given: StartArguments;
  try {
    given = parseArguments(args);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
  if (given.help) return void process.stdout.write(help);
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const progress = new Progress(print, given.color ? colors : colors.createColors(false));
  // Nobody reads any more (a closed terminal, `| head`): no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

  let cluster: LocalCluster;
  try {
    cluster = await LocalCluster.open({
      stateDir: stateDirOf(repository),
      fresh: given.fresh,
      port: given.port,
      orderEntryScale: given.scale,
      isEncrypted: given.tls,
      ...(process.env["UNDERSTUDY_LOG_LEVEL"] && { logLevel: process.env["UNDERSTUDY_LOG_LEVEL"] }),
    });
  } catch (error) {
    explain(error);
    process.exit(1);
  }
  endOnEveryWayOut(cluster, progress);
  if (cluster.leftovers.length > 0) {
    progress.say(`Ended what a former start left behind: ${cluster.leftovers.join(", ")}.`);
  }
  cluster.events.on("state", (process, state) => progress.state(process, state));
  cluster.events.on("exit", (process, exit) => progress.exit(process, exit));
  await cluster.start();
  if (given.port !== 0 && !cluster.url.endsWith(`:${given.port}`)) {
    progress.say(`Port ${given.port} is taken; the URL is ${cluster.url}.`);
  }
  progress.say(`State and logs: ${relative(process.cwd(), cluster.folder.path) || cluster.folder.path}`);
  await tellWhenReady(cluster, progress);
}

async function tellWhenReady(cluster: LocalCluster, progress: Progress): Promise<void> {
  for (let told = ""; ;) {
    try {
      await cluster.whenReady(patienceMs);
      return progress.say(`Understudy is ready: ${cluster.url}`);
    } catch (error) {
      if (cluster.isStopping) return;
      const { message } = error as Error;
      if (message !== told) progress.say(`Not ready yet:\n${message}`);
      told = message;
      // A fault of the configuration is known at once: no loop without a pause. That all run and the URL answers only
      // later is no change of a process, so it is looked at again in any case.
      await cluster.changed(lookAgainMs);
    }
  }
}

function explain(error: unknown): void {
  const isKnown = error instanceof UnderstudyError || error instanceof EngineMissingError;
  console.error(isKnown ? error.message : error);
}

function endOnEveryWayOut(cluster: LocalCluster, progress: Progress): void {
  let firstAt: number | undefined;
  const end = (reason: string) => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      progress.stopping();
      progress.say(`Stopping (${reason}); once more ends everything at once.`);
      cluster.stop().then(() => finish(0), fail);
    } else if (performance.now() - firstAt > repeatedMs) {
      cluster.killAll().then(() => finish(0), fail);
    }
  };
  const finish = (code: number) => {
    progress.say("Understudy is stopped.");
    process.exit(code);
  };
  const fail = (error: unknown) => {
    console.error(error);
    // What still lives is ended by the reaper, which sees us go.
    process.exit(1);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => end(signal));
  watchNpm(() => end("npm is gone"));
  const crash = async (cause: unknown) => {
    console.error(cause);
    await cluster.killAll().catch(fail);
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
  process.on("exit", () => cluster.supervisor.killAll());
}
