/** Tells a process from a later one that got the same id: a process id alone proves nothing. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** When the process started, in words that only it has on this computer; undefined when it is gone (or a zombie). */
export function birthOf(pid: number): string | undefined {
  try {
    return process.platform === "linux" ? birthInProc(pid) : birthFromPs(pid);
  } catch {
    return undefined;
  }
}

function birthInProc(pid: number): string | undefined {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in brackets may hold anything; after it come the state (third field) and, as field 22, the start.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields[0], fields[19]];
  if (start === undefined || state === "Z" || state === "X") return undefined;
  return `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()}:${start}`;
}

function birthFromPs(pid: number): string | undefined {
  const text = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
  const [, state, start] = /^(\S+)\s+(.+)$/.exec(text) ?? [];
  return state === undefined || state.startsWith("Z") ? undefined : start;
}
