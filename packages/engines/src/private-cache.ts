/**
 * Copies of engine files in a folder that everybody may read, made once per version and shared by all processes.
 *
 * Such a folder lies in a temporary directory that other users can write to. So a copy is only used when it belongs
 * to us and nobody else can write to it; else a new one with an unguessable name is made.
 */
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canTraverse, type RunAs } from "./unprivileged.ts";

/** The first temporary directory that `user` can reach. */
function reachableTemporaryDirectory(user: RunAs | undefined): string {
  const candidates = [tmpdir(), "/var/tmp", "/tmp"];
  const found = candidates.find((folder) => {
    try {
      return canTraverse(folder, user);
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error(`uid ${user?.uid} can reach none of ${candidates.join(", ")}.`);
  return found;
}

function belongsToUs(folder: string): boolean {
  try {
    const stats = lstatSync(folder);
    return stats.isDirectory() && stats.uid === (process.getuid?.() ?? stats.uid) && (stats.mode & 0o022) === 0;
  } catch {
    return false;
  }
}

/**
 * The folder `name`, filled by `fill` when it does not exist yet. Several processes may do this at once: each fills
 * a folder of its own and renames it; who comes second takes the first one's.
 */
export function cachedFolder(name: string, user: RunAs | undefined, fill: (folder: string) => void): string {
  const base = reachableTemporaryDirectory(user);
  const wanted = join(base, `${name}-${process.getuid?.() ?? 0}`);
  if (belongsToUs(wanted)) return wanted;
  const draft = mkdtempSync(`${wanted}.`);
  try {
    fill(draft);
    chmodSync(draft, 0o755);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
  try {
    renameSync(draft, wanted);
    return wanted;
  } catch {
    if (!belongsToUs(wanted)) return draft;
    rmSync(draft, { recursive: true, force: true });
    return wanted;
  }
}
