/**
 * The lock file of a PostgreSQL data folder after a crash.
 *
 * PostgreSQL refuses to start while the process named in postmaster.pid lives, and that id may belong to somebody
 * else by now. But the file also guards against backends that outlive a killed postmaster: with it gone, a new
 * postmaster would start beside them and both would write. So they are ended before it is removed.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { parseStat, signalTree } from "./process-tree.ts";

/** The process that the lock file names; undefined when there is none or it is torn. */
export function lockHolder(text: string): number | undefined {
  const pid = Number(text.split("\n", 1)[0]);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

/** Living PostgreSQL processes that work in `dataDir`: each of them has it as its working directory. */
function processesIn(dataDir: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/cwd`) === dataDir && basename(readlinkSync(`/proc/${pid}/exe`)) === "postgres"
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function endOrphans(dataDir: string): Promise<void> {
  for (let round = 0; ; round++) {
    const orphans = processesIn(dataDir);
    if (orphans.length === 0) return;
    if (round === 200) throw new Error(`Processes ${orphans.join(", ")} do not leave ${dataDir}.`);
    for (const pid of orphans) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A setting that PostgreSQL keeps without meaning: whose child this server is. */
const starterSetting = "understudy.starter";
export const starterArguments = (): string[] => ["-c", `${starterSetting}=${process.pid}`];

/** Whether the server was started by a process of ours that is gone: then it has got another parent. */
function isOrphan(pid: number): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
    const starter = words.find((word) => word.startsWith(`${starterSetting}=`))?.slice(starterSetting.length + 1);
    return starter !== undefined && parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"))?.parent !== Number(starter);
  } catch {
    // Gone meanwhile.
    return false;
  }
}

const holderOf = (path: string): number | undefined => {
  try {
    return lockHolder(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
};

/**
 * Ends the server that a process like this one started on `dataDir` before it died, its reaper with it. A server that
 * somebody else started is left alone.
 * @returns its process id; undefined where there was none.
 */
export async function endOrphanedServer(dataDir: string): Promise<number | undefined> {
  if (process.platform !== "linux" || !existsSync(dataDir)) return undefined;
  const folder = realpathSync(dataDir);
  const holder = holderOf(join(folder, "postmaster.pid"));
  if (holder === undefined || !processesIn(folder).includes(holder) || !isOrphan(holder)) return undefined;
  signalTree(holder, "SIGKILL");
  await endOrphans(folder);
  return holder;
}

/**
 * Removes a postmaster.pid whose postmaster is gone, after its backends are.
 * @throws Error when a server runs on the folder.
 */
export async function clearStalePidFile(dataDir: string): Promise<void> {
  // Without /proc nothing proves that nobody works in the folder: PostgreSQL decides by itself.
  if (process.platform !== "linux") return;
  const path = join(dataDir, "postmaster.pid");
  if (!existsSync(path)) return;
  const holder = holderOf(path);
  if (holder !== undefined && processesIn(dataDir).includes(holder))
    throw new Error(`A PostgreSQL server (process ${holder}) runs on ${dataDir} already.`);
  await endOrphans(dataDir);
  rmSync(path, { force: true });
}
