export { LocalCluster, type LocalClusterOptions } from "./local-cluster.ts";
export { processId, standardLayout, type Layout, type MachineLayout, type MachineProcessKind } from "./layout.ts";
export type { ClusterPlan } from "./plan.ts";
export { standardRestartPolicy, type RestartPolicy } from "./restart-policy.ts";
export type { ProcessEnding, ProcessState } from "./supervised.ts";
export type { ProcessExit } from "./supervisor.ts";
