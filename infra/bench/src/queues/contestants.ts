/** Who is measured, with which settings: for each the fastest that its documents offer. */
import type { AdapterSettings, MakeAdapter } from "./adapter.ts";
import { floorAdapter } from "./floor-adapter.ts";
import { ownAdapter } from "./own-adapter.ts";
import { bullAdapter, graphileAdapter, pgBossAdapter } from "./peer-adapters.ts";

export type Part = "single" | "bulk" | "drain1" | "drain2" | "latency";

export interface Contestant {
  readonly make: MakeAdapter;
  readonly settings: AdapterSettings;
  readonly parts: readonly Part[];
  readonly needsRedis?: boolean;
  readonly isPeer?: boolean;
}

const throughput: readonly Part[] = ["single", "bulk", "drain1", "drain2"];
const all: readonly Part[] = [...throughput, "latency"];
const graphileBatch = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 1_000 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

export const contestants: Readonly<Record<string, Contestant>> = {
  "floor: bare SQL": { make: floorAdapter, settings: {}, parts: throughput },
  "floor: bare SQL + NOTIFY": { make: floorAdapter, settings: { notifies: true, batch: 100 }, parts: ["latency"] },
  "work-queue": { make: ownAdapter, settings: {}, parts: all },
  "work-queue, results not kept": {
    make: ownAdapter,
    settings: { keepCompletedSeconds: 0 },
    parts: ["drain1", "drain2"],
  },
  "graphile-worker 0.18, batches": {
    make: graphileAdapter,
    settings: { worker: graphileBatch },
    parts: all,
    isPeer: true,
  },
  "pg-boss 12.38, batches": {
    make: pgBossAdapter,
    settings: {
      work: { batchSize: 1_000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
    },
    parts: throughput,
    isPeer: true,
  },
  "pg-boss 12.38, notify": {
    make: pgBossAdapter,
    settings: {
      boss: { useListenNotify: true },
      queue: { notify: true },
      work: { batchSize: 50, localConcurrency: 4, burstWhenBatchFull: true },
    },
    parts: ["latency"],
    isPeer: true,
  },
  "BullMQ 6.7, redis, fsync always": {
    make: bullAdapter,
    settings: { worker: { concurrency: 300 } },
    parts: all,
    isPeer: true,
    needsRedis: true,
  },
  "BullMQ 6.7 on PostgreSQL": {
    make: bullAdapter,
    settings: { backend: "postgres", worker: { concurrency: 16 } },
    parts: all,
    isPeer: true,
  },
};
