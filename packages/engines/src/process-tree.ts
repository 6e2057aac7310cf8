/**
 * Signals for a process and everything that it started.
 *
 * A process group does not do: PostgreSQL's backends call setsid. So the parents are walked, in /proc where there
 * is one, else with `ps`.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

interface Entry {
  readonly pid: number;
  readonly parent: number;
  /** `Z` (zombie) and `X` are no longer living. */
  readonly state: string;
}

/** One line of /proc/<pid>/stat; the second field is the name in brackets and may hold anything. */
export function parseStat(text: string): Entry | undefined {
  const match = /^(\d+) \(.*\) (\S) (\d+) /s.exec(text);
  if (match === null) return undefined;
  return { pid: Number(match[1]), state: match[2] ?? "", parent: Number(match[3]) };
}

function entriesOfProc(): Entry[] {
  const entries: Entry[] = [];
  for (const folder of readdirSync("/proc")) {
    if (!/^\d+$/.test(folder)) continue;
    try {
      const entry = parseStat(readFileSync(`/proc/${folder}/stat`, "latin1"));
      if (entry !== undefined) entries.push(entry);
    } catch {
      // It ended while we looked.
    }
  }
  return entries;
}

function entriesOfPs(): Entry[] {
  const text = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" });
  return text.split("\n").flatMap((line) => {
    const [pid, parent, state] = line.trim().split(/\s+/);
    return pid === undefined || parent === undefined || state === undefined
      ? []
      : [{ pid: Number(pid), parent: Number(parent), state: state.slice(0, 1) }];
  });
}

/** `root` and its living descendants out of `entries`, parents before children. */
function treeOf(root: number, entries: readonly Entry[]): Entry[] {
  const living = entries.filter(({ state }) => state !== "Z" && state !== "X");
  const children = new Map<number, Entry[]>();
  for (const entry of living) children.set(entry.parent, [...(children.get(entry.parent) ?? []), entry]);
  const found = living.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...(children.get(pid) ?? []));
  return found;
}

export const descendants = (root: number, entries: readonly Entry[]): number[] =>
  treeOf(root, entries).map(({ pid }) => pid);

const entriesNow = (): Entry[] => (process.platform === "linux" ? entriesOfProc() : entriesOfPs());

/** `pid` and all its living descendants, parents first; empty when it is gone. */
export function processTree(pid: number): number[] {
  return descendants(pid, entriesNow());
}

/** False when the process is gone already. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));
const mostStoppingMs = 1_000;

/**
 * Stops the tree from the root down. On busy cores a process goes on for a moment after the signal was sent, and may
 * finish starting a child that the list at hand cannot show, since it was read before: so all must stand still in one
 * list, and the next one must show nobody new.
 */
function stopTree(root: number): number[] {
  const stopped = new Set<number>();
  let stoodStill = false;
  for (const deadline = performance.now() + mostStoppingMs; ;) {
    const tree = treeOf(root, entriesNow());
    const fresh = tree.filter(({ pid }) => !stopped.has(pid));
    for (const { pid } of fresh) {
      send(pid, "SIGSTOP");
      stopped.add(pid);
    }
    const standsStill = fresh.length === 0 && tree.every(({ state }) => /[Tt]/.test(state));
    if ((standsStill && stoodStill) || performance.now() > deadline) return [...stopped];
    stoodStill = standsStill;
    if (!standsStill) Atomics.wait(sleeper, 0, 0, 1);
  }
}

/**
 * Sends `signal` to `pid` and all its descendants. For SIGKILL and SIGSTOP the parents stop first, so that none
 * starts a new child meanwhile; after SIGSTOP all of them stand still. Returns the processes that got it.
 */
export function signalTree(pid: number, signal: NodeJS.Signals): number[] {
  if (!Number.isInteger(pid) || pid <= 1) throw new RangeError(`${pid} is not the id of a process of ours.`);
  if (signal === "SIGSTOP") return stopTree(pid);
  if (signal === "SIGKILL") return stopTree(pid).filter((each) => send(each, "SIGKILL"));
  // Children first: a parent that goes on must find its children going on.
  return processTree(pid)
    .reverse()
    .filter((each) => send(each, signal));
}
