/** When the cluster counts as ready: all its processes run, and an order-entry request through the URL is answered. */
import { request } from "node:http";
import { OperationalError } from "@understudy/runtime/errors";
import { pause } from "@understudy/runtime/wait";
import type { Supervised } from "./supervised.ts";
import type { Supervisor } from "./supervisor.ts";

/** Status of a GET; undefined when there was no answer. */
export function statusOf(url: string, timeoutMs: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const sent = request(url, { agent: false, timeout: timeoutMs }, (answer) => {
      answer.resume();
      answer.once("close", () => resolve(answer.statusCode));
    });
    sent.once("timeout", () => sent.destroy());
    sent.once("error", () => resolve(undefined));
    sent.end();
  });
}

/** Resolves at the first 200; false when `signal` aborted before. */
export async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if ((await statusOf(url, 3_000)) === 200) return true;
    await pause(50, signal);
  }
  return false;
}

const notReady = (what: string, processes: readonly Supervised[]): OperationalError =>
  new OperationalError(
    "unavailable",
    processes.map(({ id, log, lastWords }) => `${id} ${what}${lastWords && `: ${lastWords}`} (${log.path})`).join("\n"),
  );

/**
 * Resolves when all processes run (or were frozen on purpose).
 * @throws OperationalError that names who does not, when `signal` aborts or when one refuses its configuration.
 */
export function allRun(supervisor: Supervisor, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const missing = () =>
      supervisor.processes.filter(({ state }) => state.kind !== "running" && state.kind !== "frozen");
    const finish = (error?: OperationalError) => {
      supervisor.off("state", look);
      signal.removeEventListener("abort", giveUp);
      if (error) reject(error);
      else resolve();
    };
    const look = () => {
      const waitedFor = missing();
      if (waitedFor.length === 0) return finish();
      const hopeless = waitedFor.filter(({ state }) => state.kind === "stopped" && state.reason === "configuration");
      if (hopeless.length > 0) finish(notReady("cannot start with its configuration", hopeless));
    };
    const giveUp = () => finish(notReady("does not run", missing()));
    if (signal.aborted) return giveUp();
    signal.addEventListener("abort", giveUp);
    supervisor.on("state", look);
    look();
  });
}
