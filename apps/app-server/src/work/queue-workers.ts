/** From the cluster configuration to what this app server's worker does. Pure. */
import { mostWorkersPerCpu, workersOf, type WorkQueueSettings } from "@understudy/contracts";
import type { QueueSettings, WorkerQueue } from "@understudy/work-queue";

export interface WorkerPlan {
  /** Definitions of all queues. */
  readonly queues: readonly QueueSettings[];
  /** Of jobs, that this server works on. */
  readonly jobs: readonly WorkerQueue[];
  /** Of the first queue for services that this server has workers of. */
  readonly services: { readonly queue: string; readonly most: number };
  /** What the settings ask for and the machine does not bear. */
  readonly refused: string | undefined;
}

/** Workers beyond what the CPUs bear are left out, those of the queues that stand last in the settings first. */
export function planWorkers(settings: WorkQueueSettings, appServer: string, cpus: number): WorkerPlan {
  const isServices = new Map(settings.queues.map(({ name, kind }) => [name, kind === "SERVICES"]));
  const wanted = workersOf(settings, appServer);
  let left = cpus * mostWorkersPerCpu;
  const jobs: WorkerQueue[] = [];
  let services: WorkerPlan["services"] | undefined;
  for (const { queue, workers, concurrency } of wanted) {
    const granted = Math.min(workers, left);
    left -= granted;
    if (isServices.get(queue) === true) services ??= { queue, most: granted * concurrency };
    else if (granted > 0) jobs.push({ name: queue, concurrency: granted * concurrency });
  }
  const asked = wanted.reduce((sum, { workers }) => sum + workers, 0);
  const firstServices = settings.queues.find(({ kind }) => kind === "SERVICES")?.name ?? "SERVICES";
  return {
    queues: settings.queues.map(({ name, kind, maxPayloadBytes, maxLosses, keepEndedSeconds }) => ({
      name,
      kind: kind === "SERVICES" ? ("services" as const) : ("jobs" as const),
      maxPayloadBytes,
      maxLosses,
      keepEndedSeconds,
    })),
    jobs,
    services: services ?? { queue: firstServices, most: 0 },
    refused:
      asked > cpus * mostWorkersPerCpu
        ? `${asked} workers are asked for; ${cpus} CPUs bear ${cpus * mostWorkersPerCpu}`
        : undefined,
  };
}
