/**
 * Queues and who works on them, as part of the cluster configuration; and what is wrong with them. All rules are pure:
 * the command line, the message server and an app server say the same.
 */
import { z } from "zod";
import { name } from "./identity.ts";

/** SERVICES: endless, one instance of each. USERJOBS: short, somebody waits. MASSJOBS: long. */
export const queueKind = z.enum(["SERVICES", "USERJOBS", "MASSJOBS"]);
export type QueueKind = z.infer<typeof queueKind>;

export const queueName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, "letters, digits, dots, hyphens and underscores, at most 64");

/**
 * How a form treats fields that it does not know: `z.strictObject` refuses them, where somebody may have misspelt one;
 * `z.looseObject` keeps them, where a newer version may have written them.
 */
export type ObjectForm = <Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
) => z.ZodObject<z.core.util.Writeable<Shape>>;

const queueSettings = (object: ObjectForm) =>
  object({
    name: queueName,
    kind: queueKind,
    maxPayloadBytes: z
      .int()
      .min(1)
      .max(64 * 1024 * 1024)
      .default(65_536),
    /** A job that was lost with its app server more often than this is failed: it may be what kills them. */
    maxLosses: z.int().min(0).max(10_000).default(20),
    /** How long failed, aborted and cancelled jobs are kept. */
    keepEndedSeconds: z
      .int()
      .min(60)
      .max(10 * 365 * 86_400)
      .default(30 * 86_400),
  });
export type ClusterQueue = z.infer<ReturnType<typeof queueSettings>>;

const workerSettings = (object: ObjectForm) =>
  object({
    queue: queueName,
    workers: z.int().min(0).max(1_000).default(1),
    /** Jobs (on SERVICES: services) that one worker runs at the same time. */
    concurrency: z.int().min(1).max(10_000).default(1),
  });
export type QueueWorkers = z.infer<ReturnType<typeof workerSettings>>;

const appServerWork = (object: ObjectForm) =>
  object({
    /** For background work alone: balancers send it nobody. */
    onlyBackground: z.boolean().default(false),
    /** Instead of the workers that every app server has. */
    workers: z.array(workerSettings(object)).optional(),
  });

/** Three workers: one CPU bears them. */
const standardQueues: readonly z.input<ReturnType<typeof queueSettings>>[] = [
  { name: "USERJOBS", kind: "USERJOBS" },
  { name: "MASSJOBS", kind: "MASSJOBS" },
  { name: "SERVICES", kind: "SERVICES" },
];
const standardWorkers: readonly QueueWorkers[] = [
  { queue: "USERJOBS", workers: 1, concurrency: 32 },
  { queue: "MASSJOBS", workers: 1, concurrency: 4 },
  { queue: "SERVICES", workers: 1, concurrency: 8 },
];

export const workQueueSettingsAs = (object: ObjectForm) =>
  object({
    queues: z.array(queueSettings(object)).prefault([...standardQueues]),
    /** Of each app server that `appServers` says nothing else about. */
    workers: z.array(workerSettings(object)).prefault([...standardWorkers]),
    appServers: z.record(name, appServerWork(object)).default({}),
  }).superRefine((settings, context) => {
    for (const { path, message } of workQueueFaults(settings)) context.addIssue({ code: "custom", path, message });
  });
export const workQueueSettings = workQueueSettingsAs(z.strictObject);
export type WorkQueueSettings = z.infer<typeof workQueueSettings>;

interface Fault {
  readonly path: (string | number)[];
  readonly message: string;
}

/** What can be told without knowing the machines. */
function workQueueFaults({ queues, workers, appServers }: WorkQueueSettings): Fault[] {
  const faults: Fault[] = [];
  const known = new Set<string>();
  for (const [index, queue] of queues.entries()) {
    if (known.has(queue.name))
      faults.push({ path: ["queues", index, "name"], message: `the queue "${queue.name}" is there twice` });
    known.add(queue.name);
  }
  const lists = [
    { path: ["workers"], list: workers },
    ...Object.entries(appServers).map(([id, { workers: own = [] }]) => ({
      path: ["appServers", id, "workers"],
      list: own,
    })),
  ];
  for (const { path, list } of lists) {
    const named = new Set<string>();
    for (const [index, { queue }] of list.entries()) {
      if (!known.has(queue))
        faults.push({ path: [...path, index, "queue"], message: `there is no queue "${queue}" for these workers` });
      if (named.has(queue))
        faults.push({ path: [...path, index, "queue"], message: `the workers of "${queue}" are there twice` });
      named.add(queue);
    }
  }
  for (const [index, queue] of queues.entries()) {
    const has = lists.some(({ list }) => list.some((entry) => entry.queue === queue.name && entry.workers > 0));
    if (!has) faults.push({ path: ["queues", index], message: `the queue "${queue.name}" has no workers anywhere` });
  }
  return faults;
}

export const workersOf = (settings: WorkQueueSettings, appServer: string): readonly QueueWorkers[] =>
  settings.appServers[appServer]?.workers ?? settings.workers;

/** How many jobs of a queue one app server runs at the same time. */
export const slotsOf = (settings: WorkQueueSettings, appServer: string, queue: string): number =>
  workersOf(settings, appServer)
    .filter((entry) => entry.queue === queue)
    .reduce((sum, { workers, concurrency }) => sum + workers * concurrency, 0);

export const mostWorkersPerCpu = 3;

export interface WorkingServer {
  readonly id: string;
  readonly machine: string;
  readonly cpus?: number | undefined;
}

/** App servers that are to run more workers than their CPUs bear: one sentence each. */
export function overloadedServers(settings: WorkQueueSettings, servers: readonly WorkingServer[]): string[] {
  return servers.flatMap(({ id, cpus }) => {
    const workers = workersOf(settings, id).reduce((sum, entry) => sum + entry.workers, 0);
    if (cpus === undefined || workers <= cpus * mostWorkersPerCpu) return [];
    return [
      `${id} has ${cpus} CPU${cpus === 1 ? "" : "s"} and would get ${workers} workers; at most ${cpus * mostWorkersPerCpu} (${mostWorkersPerCpu} per CPU)`,
    ];
  });
}

/** What a queue usually needs: jobs that run at the same time, or services that exist. */
export type UsualLoad = Readonly<Record<string, number>>;

/** N-1: what would be too little if any one machine were lost. Told before it happens. */
export function lossWarnings(
  settings: WorkQueueSettings,
  servers: readonly WorkingServer[],
  load: UsualLoad,
): string[] {
  const warnings: string[] = [];
  const machines = [...new Set(servers.map(({ machine }) => machine))].sort();
  for (const { name: queue } of settings.queues) {
    const slots = (left: readonly WorkingServer[]) =>
      left.reduce((sum, { id }) => sum + slotsOf(settings, id, queue), 0);
    const needed = Math.ceil(load[queue] ?? 0);
    if (servers.length > 0 && slots(servers) === 0) {
      warnings.push(`${queue}: no app server that is there has workers of it; its jobs wait`);
      continue;
    }
    for (const machine of machines) {
      const left = slots(servers.filter((server) => server.machine !== machine));
      if (left === 0) warnings.push(`${queue}: without ${machine} nobody works on it`);
      else if (left < needed)
        warnings.push(`${queue}: without ${machine} ${left} jobs can run at the same time; usually ${needed} do`);
    }
  }
  return warnings;
}
