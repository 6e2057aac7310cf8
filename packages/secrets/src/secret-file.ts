/** One file that only its owner reads: whole or not there, never half written. */
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function draftOf(path: string, text: string, owner: Owner | undefined): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
  writeFileSync(draft, text, { mode: 0o600 });
  chmodSync(draft, 0o600);
  if (owner) chownSync(draft, owner.uid, owner.gid);
  return draft;
}

/** Puts `text` in the place of what was there. */
export function replaceSecret(path: string, text: string, owner?: Owner): void {
  const draft = draftOf(path, text, owner);
  try {
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** What stands at `path`; `make` is kept there first when nothing does. Two that make it at once get the same. */
export function keepSecret(path: string, make: () => string): string {
  const found = readSecret(path);
  if (found !== undefined) return found;
  const draft = draftOf(path, make(), undefined);
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(path, "utf8");
}

/** Undefined when there is none. @throws when it cannot be read. */
export function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
