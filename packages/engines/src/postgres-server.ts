/**
 * The data folder of one PostgreSQL instance: made once, then configured at every start.
 *
 * Invariants:
 * - A data folder exists whole or not at all: initdb works in a sibling folder, which is renamed when it is done, so
 *   an initdb that is killed leaves nothing that looks like a cluster.
 * - Two postmasters never run on one folder. PostgreSQL guards that with postmaster.pid, and that file is removed
 *   only when no process works in the folder any more: backends outlive a killed postmaster for a moment.
 * - No connection without a password, not even over the machine's own sockets.
 *
 * Run by root, everything here belongs to and runs as nobody. Where nobody cannot reach the folder (a checkout below
 * /root), the server is started inside it and finds it as /proc/self/cwd, which needs no way through its parents.
 */
import { execFile } from "node:child_process";
import {
  appendFileSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { clearStalePidFile, starterArguments } from "./postgres-lock.ts";
import { postgresBinaries } from "./postgres-binaries.ts";
import {
  defaultSuperuser,
  hostBasedAuthentication,
  passwordFileLine,
  passwordFileName,
  postgresSettings,
  tlsFiles,
  type PostgresOptions,
} from "./postgres-configuration.ts";
import type { SpawnSpec } from "./spawn-spec.ts";
import { canTraverse, unprivilegedUser, type RunAs } from "./unprivileged.ts";

const settingsFile = "understudy.conf";
/** The whole environment of PostgreSQL's programs: their messages are read in English. */
export const postgresEnvironment = { LC_ALL: "C", TZ: "UTC" };

export function giveTo(path: string, user: RunAs | undefined): void {
  if (user) chownSync(path, user.uid, user.gid);
}

function giveFolderTo(folder: string, user: RunAs | undefined): void {
  if (user === undefined || statSync(folder).uid === user.uid) return;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    lchownSync(join(entry.parentPath, entry.name), user.uid, user.gid);
  }
  // Last, because it says that the rest is done.
  chownSync(folder, user.uid, user.gid);
}

/** The folder as the server can name it that works in it. */
export const nameFor = (folder: string, user: RunAs | undefined): string =>
  canTraverse(folder, user) ? folder : "/proc/self/cwd";

function write(path: string, text: string, user: RunAs | undefined): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  giveTo(`${path}.new`, user);
  renameSync(`${path}.new`, path);
}

/** Settings, access and the password for the upstream; the running server sees them after a reload (SIGHUP). */
export function configurePostgres(options: PostgresOptions): void {
  const user = unprivilegedUser();
  const { dataDir, replication, tls } = options;
  write(join(dataDir, settingsFile), postgresSettings(options), user);
  write(join(dataDir, "pg_hba.conf"), hostBasedAuthentication(replication, tls !== undefined), user);
  // Before the settings that name them would be missed; a clone brought those of its source.
  if (tls) {
    write(join(dataDir, tlsFiles.certificate), tls.certificate, user);
    write(join(dataDir, tlsFiles.key), tls.key, user);
    write(join(dataDir, tlsFiles.authority), tls.authority, user);
  }
  if (replication) write(join(dataDir, passwordFileName), passwordFileLine(replication), user);
}

/** The file that makes PostgreSQL start as a standby; a promotion removes it. */
export const standbySignalFile = "standby.signal";

/**
 * Promotes the standby that runs in `dataDir`, without asking it by SQL: the file and the signal that `pg_promote` sends.
 * @throws when `postmaster`, the process of the server, is gone.
 */
export function promotePostgres(dataDir: string, postmaster: number): void {
  write(join(dataDir, "promote"), "", unprivilegedUser());
  process.kill(postmaster, "SIGUSR1");
}

/** Before 17 there is no built-in locale provider; C sorts alike and knows upper and lower case of ASCII only. */
async function majorVersion(program: string): Promise<number> {
  const { stdout } = await promisify(execFile)(program, ["--version"], { env: postgresEnvironment });
  return Number(/ (\d+)/.exec(stdout)?.[1] ?? 0);
}

/** Drafts of an initdb that was killed; nothing but their name tells them, and nobody else uses it. */
function removeDrafts(dataDir: string): void {
  for (const entry of readdirSync(dirname(dataDir))) {
    if (entry.startsWith(`${basename(dataDir)}.initdb-`))
      rmSync(join(dirname(dataDir), entry), { recursive: true, force: true });
  }
}

async function initialise(
  dataDir: string,
  options: PostgresOptions,
  initdb: string,
  user: RunAs | undefined,
): Promise<void> {
  removeDrafts(dataDir);
  const draft = mkdtempSync(`${dataDir}.initdb-`);
  try {
    const data = join(draft, "data");
    const passwordFile = join(draft, "password");
    mkdirSync(data, { mode: 0o700 });
    writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600 });
    for (const path of [draft, data, passwordFile]) giveTo(path, user);
    const settings = [
      `--pgdata=${nameFor(data, user)}`,
      `--username=${options.superuser ?? defaultSuperuser}`,
      "--auth=scram-sha-256",
      // Seen from the data folder, in which initdb works.
      "--pwfile=../password",
      "--encoding=UTF8",
      "--locale=C",
      ...((await majorVersion(initdb)) >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : []),
    ];
    await promisify(execFile)(initdb, settings, {
      cwd: data,
      env: postgresEnvironment,
      ...(user && { uid: user.uid, gid: user.gid }),
    });
    appendFileSync(join(data, "postgresql.conf"), `\ninclude '${settingsFile}'\n`);
    renameSync(data, dataDir);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/**
 * Makes the data folder where there is none, writes the settings, and says how to start the server.
 * @throws EngineMissingError; an Error with initdb's words; an Error when a server runs on the folder already.
 */
export async function preparePostgres(options: PostgresOptions): Promise<SpawnSpec> {
  const user = unprivilegedUser();
  const { initdb, postgres } = postgresBinaries();
  const parent = dirname(resolve(options.dataDir));
  mkdirSync(parent, { recursive: true });
  const dataDir = existsSync(options.dataDir)
    ? realpathSync(options.dataDir)
    : join(realpathSync(parent), basename(options.dataDir));
  if (!existsSync(join(dataDir, "PG_VERSION"))) {
    // Somebody made the folder beforehand: rename replaces it if it is empty, and refuses if it is not.
    await initialise(dataDir, options, initdb, user);
  }
  await clearStalePidFile(dataDir);
  giveFolderTo(dataDir, user);
  configurePostgres({ ...options, dataDir });
  if (options.replication?.upstream) write(join(dataDir, standbySignalFile), "", user);
  // Left by a promotion that was killed: this start decides anew.
  rmSync(join(dataDir, "promote"), { force: true });
  return {
    command: postgres,
    args: ["-D", nameFor(dataDir, user), ...starterArguments()],
    env: postgresEnvironment,
    cwd: dataDir,
    ...user,
  };
}
