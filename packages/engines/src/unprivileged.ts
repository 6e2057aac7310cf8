/**
 * PostgreSQL refuses to run as root, so a root start gives it to `nobody` (65534), who must be able to reach its
 * files. A path is reachable when each of its folders may be traversed, which a checkout below /root is not.
 */
import { statSync, type Stats } from "node:fs";
import { dirname, resolve } from "node:path";

export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

const nobody: RunAs = { uid: 65_534, gid: 65_534 };

/** Whom engines that refuse root run as; undefined: the user that starts them. */
export function unprivilegedUser(ownUid: number | undefined = process.getuid?.()): RunAs | undefined {
  return ownUid === 0 ? nobody : undefined;
}

type Permission = "read" | "traverse";
const bit: Record<Permission, number> = { read: 4, traverse: 1 };

/** By the classic mode bits alone; access lists are not looked at. */
export function permits(stats: Pick<Stats, "mode" | "uid" | "gid">, user: RunAs, permission: Permission): boolean {
  const shift = stats.uid === user.uid ? 6 : stats.gid === user.gid ? 3 : 0;
  return ((stats.mode >> shift) & bit[permission]) !== 0;
}

/** True when `user` can traverse `folder` and everything above it; with no user: always. */
export function canTraverse(folder: string, user: RunAs | undefined): boolean {
  if (user === undefined) return true;
  for (let path = resolve(folder); ; path = dirname(path)) {
    if (!permits(statSync(path), user, "traverse")) return false;
    if (path === dirname(path)) return true;
  }
}
