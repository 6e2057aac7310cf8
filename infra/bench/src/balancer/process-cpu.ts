import { processTree } from "@understudy/engines";
import { readFileSync } from "node:fs";

const ticksPerSecond = 100;

const fieldsOf = (pid: number): readonly number[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
};

/** User and system time of a process with all its threads so far, in milliseconds (Linux). */
export function processCpuMs(pid: number): number {
  const [, , , , , , , , , , , user = 0, system = 0] = fieldsOf(pid);
  return ((user + system) * 1_000) / ticksPerSecond;
}

/** The time of `root` and all below it, also of children that have ended since (PostgreSQL's backends come and go). */
export function treeCpuMs(root: number): number {
  let ticks = 0;
  for (const pid of processTree(root)) {
    try {
      const [, , , , , , , , , , , user = 0, system = 0, endedUser = 0, endedSystem = 0] = fieldsOf(pid);
      ticks += user + system + endedUser + endedSystem;
    } catch {
      // It ended in this moment; its parent has its time by the next look.
    }
  }
  return (ticks * 1_000) / ticksPerSecond;
}
