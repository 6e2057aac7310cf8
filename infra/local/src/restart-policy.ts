/** When a process that ended is started again: at first soon, with growing waits when it keeps dying. */
import { exitCodeForConfiguration } from "@understudy/runtime/configuration";

export interface RestartPolicy {
  readonly firstMs: number;
  /** Waits double up to this. */
  readonly mostMs: number;
  /** Who lived as long is healthy: the next wait is the first again. */
  readonly steadyMs: number;
}

export const standardRestartPolicy: RestartPolicy = { firstMs: 1_000, mostMs: 30_000, steadyMs: 30_000 };

export interface Ending {
  readonly livedMs: number;
  readonly exitCode: number | null;
  /** Ended by `kill`: says nothing about the process's health. */
  readonly wasKilledOnPurpose: boolean;
}

export type RestartDecision =
  | { readonly kind: "restart"; readonly waitMs: number; readonly earlyEndings: number }
  /** A restart cannot help: somebody must mend the configuration. */
  | { readonly kind: "give-up" };

/** `earlyEndings`: how often it has ended in a row without living `steadyMs`. */
export function afterEnding(ending: Ending, earlyEndings: number, policy: RestartPolicy): RestartDecision {
  if (ending.exitCode === exitCodeForConfiguration) return { kind: "give-up" };
  if (ending.wasKilledOnPurpose) return { kind: "restart", waitMs: policy.firstMs, earlyEndings };
  const before = ending.livedMs >= policy.steadyMs ? 0 : earlyEndings;
  return {
    kind: "restart",
    waitMs: Math.min(policy.firstMs * 2 ** Math.min(before, 30), policy.mostMs),
    earlyEndings: before + 1,
  };
}
