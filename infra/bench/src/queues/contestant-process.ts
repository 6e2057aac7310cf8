/** A process of one contestant, in the role that the bench gives it: producer or consumer. Ends with the bench. */
import type { BenchPayload, Target } from "./adapter.ts";
import { contestants } from "./contestants.ts";

export type Order =
  | { readonly order: "reset" | "go" | "pending" | "handled" | "latencies" }
  | { readonly order: "consume"; readonly isLatency: boolean }
  | { readonly order: "produce" }
  | { readonly order: "single"; readonly jobs: number; readonly callers: number }
  | { readonly order: "bulk"; readonly jobs: number; readonly batch: number }
  | { readonly order: "paced"; readonly jobs: number; readonly everyMs: number };

const [name = "", target = "{}"] = process.argv.slice(2);
const contestant = contestants[name];
if (contestant === undefined) throw new Error(`There is no contestant "${name}".`);
const adapter = contestant.make(JSON.parse(target) as Target, contestant.settings);

const nowNs = (): bigint => process.hrtime.bigint();
const payload = (k: number): BenchPayload => ({ k, to: "someone@example.org" });

let producer: Awaited<ReturnType<typeof adapter.producer>> | undefined;
let begin: (() => unknown) | undefined;
let handled = 0;
let firstNs: bigint | undefined;
const latenciesMs: number[] = [];

const handlers = {
  counting: () => {
    firstNs ??= nowNs();
    handled++;
  },
  timing: ({ at }: BenchPayload) => {
    if (at !== undefined) latenciesMs.push(Number(nowNs() - BigInt(at)) / 1e6);
  },
};

async function rate(jobs: number, work: () => Promise<unknown>): Promise<number> {
  const startNs = nowNs();
  await work();
  return jobs / (Number(nowNs() - startNs) / 1e9);
}

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case "reset":
      return adapter.reset();
    case "produce": {
      producer = await adapter.producer();
      const made = producer;
      return Promise.all(Array.from({ length: 64 }, (_, k) => made.add(payload(k))));
    }
    case "single": {
      let k = 0;
      return rate(order.jobs, () =>
        Promise.all(
          Array.from({ length: order.callers }, async () => {
            while (k < order.jobs) await producer?.add(payload(k++));
          }),
        ),
      );
    }
    case "bulk":
      return rate(order.jobs, async () => {
        for (let at = 0; at < order.jobs; at += order.batch)
          await producer?.addMany(Array.from({ length: order.batch }, (_, k) => payload(at + k)));
      });
    case "paced": {
      const startMs = performance.now();
      const asked: Promise<unknown>[] = [];
      for (let k = 0; k < order.jobs; k++) {
        const waitMs = startMs + k * order.everyMs - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        const add = producer?.add({ ...payload(k), at: String(nowNs()) });
        if (add !== undefined) asked.push(add);
      }
      return Promise.all(asked).then(() => undefined);
    }
    case "consume":
      begin = await adapter.consumer(order.isLatency ? handlers.timing : handlers.counting);
      return;
    case "go":
      await begin?.();
      return;
    case "pending":
      return adapter.pending();
    case "handled":
      return { handled, firstNs: firstNs === undefined ? undefined : String(firstNs) };
    case "latencies":
      return latenciesMs.splice(0);
  }
}

process.on("message", ({ id, order }: { readonly id: number; readonly order: Order }) => {
  obey(order).then(
    (answer) => process.send?.({ id, answer: Array.isArray(answer) && order.order === "produce" ? undefined : answer }),
    (error: unknown) =>
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
