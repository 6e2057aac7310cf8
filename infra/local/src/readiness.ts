/** When the cluster counts as ready: all its processes run, and an order-entry request through the URL is answered. */
import { request } from "node:http";
import { pause } from "@understudy/runtime/wait";

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
