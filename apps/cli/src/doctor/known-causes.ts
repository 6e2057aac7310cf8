import type { DoctorFacts } from "./facts.ts";

/**
 * Ids of processes whose trouble has a cause that is told by itself: they do not run, or their machine is cut off.
 * What follows from a cause is not told again, or one pulled cable would read like ten faults.
 */
export function knownCauses(local: DoctorFacts["local"]): ReadonlySet<string> {
  if (local === undefined) return new Set();
  const { machines, processes } = local.run;
  const cut = new Set(machines.filter((machine) => machine.cut).map(({ id }) => id));
  return new Set(processes.filter(({ state, machine }) => state !== "running" || cut.has(machine)).map(({ id }) => id));
}
