/**
 * Brings a former primary's data back into the history of the present primary with PostgreSQL's own pg_rewind: only the
 * blocks that changed since the two parted are copied, the small files and the log.
 *
 * Three steps:
 * - recovering: the data is brought to an orderly end, as its next start would, but by a single user: nobody connects;
 * - planning: pg_rewind --dry-run up to its word on how much it would copy; it changes nothing;
 * - copying: the data is renamed into a sibling folder, rewound there, made a standby and renamed back.
 *
 * Invariants:
 * - What is at `dataDir` is whole, as with a clone. Whatever fails before the copying leaves it as it was; a copying that
 *   fails or is killed leaves a draft, which no server is ever started on and which the next clone removes.
 * - Done is what pg_rewind's backup label proves: it also ends well where it finds nothing to do.
 * - The programs die with this process: nothing works in a draft that the next life removes.
 *
 * https://www.postgresql.org/docs/current/app-pgrewind.html, as of PostgreSQL 15.
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import pg from "pg";
import { inspectDataFolder } from "./control-file.ts";
import { EngineMissingError } from "./engine-missing-error.ts";
import { EngineProcess } from "./engine-process.ts";
import { postgresBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
import { removeLeftovers, synchroniseFolder } from "./postgres-clone.ts";
import { connectionValue, passwordFileLine, type PostgresAddress } from "./postgres-configuration.ts";
import { clearStalePidFile } from "./postgres-lock.ts";
import { giveTo, nameFor, postgresEnvironment, standbySignalFile } from "./postgres-server.ts";
import { Reaper } from "./reaper.ts";
import { unprivilegedUser } from "./unprivileged.ts";

export type RewindStep = "recovering" | "planning" | "copying";

export interface RewindOptions {
  readonly dataDir: string;
  /** The present primary. */
  readonly from: PostgresAddress;
  /** A superuser of the source. */
  readonly login: { readonly user: string; readonly password: string };
  /** PEM of whom to believe that it is the source; with it nothing is said without TLS. */
  readonly authority?: string | undefined;
  /** Shown by the source. */
  readonly label: string;
  readonly signal: AbortSignal;
  readonly onStep?: (step: RewindStep) => void;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Gets what pg_rewind says of its plan, where the two parted among it. */
  readonly onLine?: (line: string) => void;
}

export interface Rewound {
  readonly copiedBytes: number;
  /** What the source's databases have: a clone copies all of it. */
  readonly sourceBytes: number;
}

const connectMs = 5_000;
const passwordFile = "password";
const authorityFile = "authority";
const megabyte = 1_024 * 1_024;

interface Run {
  readonly cwd: string;
  readonly onLine: (line: string) => void;
  /** Ends it, and well: it has said what was to be heard. */
  readonly enough?: AbortSignal;
}

/** Runs a program to its end as the user that owns the data. @throws Error with its last words */
async function run(command: string, args: readonly string[], options: RewindOptions, how: Run): Promise<void> {
  const { signal } = options;
  signal.throwIfAborted();
  const name = basename(command);
  const spec = { command, args, env: postgresEnvironment, cwd: how.cwd, ...unprivilegedUser() };
  const running = EngineProcess.start(name, spec, { onLine: how.onLine, reaper: new Reaper() });
  const { pid } = running;
  const kill = () => void running.kill();
  const stops = how.enough === undefined ? [signal] : [signal, how.enough];
  for (const stop of stops) stop.addEventListener("abort", kill, { once: true });
  try {
    const exit = await running.exited;
    if (pid !== undefined) await running.silent;
    signal.throwIfAborted();
    if (how.enough?.aborted === true || exit.code === 0) return;
    throw new Error(`${name} ended with ${exit.signal ?? `code ${exit.code}`}: ${running.tail}`);
  } finally {
    for (const stop of stops) stop.removeEventListener("abort", kill);
  }
}

/** As the programs name it that work in `cwd`, a sibling of the draft, or in the draft's own folder. */
function sourceOf({ from, login, authority, label }: RewindOptions, draft: string): string {
  return Object.entries({
    host: from.host,
    port: String(from.port),
    user: login.user,
    dbname: "postgres",
    passfile: `${draft}/${passwordFile}`,
    application_name: `rewind:${label}`,
    connect_timeout: String(connectMs / 1_000),
    keepalives_idle: "3",
    keepalives_interval: "1",
    keepalives_count: "3",
    tcp_user_timeout: "5000",
    ...(authority === undefined
      ? { sslmode: "prefer" }
      : { sslmode: "verify-full", sslrootcert: `${draft}/${authorityFile}` }),
  })
    .map(([key, value]) => `${key}=${connectionValue(value)}`)
    .join(" ");
}

async function askSource<Answer>(
  { from, login, authority, label, signal }: RewindOptions,
  ask: (client: pg.Client) => Promise<Answer>,
): Promise<Answer> {
  const client = new pg.Client({
    ...from,
    ...login,
    database: "postgres",
    ...(authority !== undefined && { ssl: { ca: authority } }),
    application_name: `rewind:${label}`,
    connectionTimeoutMillis: connectMs,
    options: "-c statement_timeout=0",
    keepAlive: true,
  });
  client.on("error", () => undefined);
  const stop = () => client.connection.stream.destroy(new Error("The rewind was called off."));
  try {
    signal.throwIfAborted();
    signal.addEventListener("abort", stop, { once: true });
    await client.connect();
    return await ask(client);
  } finally {
    signal.removeEventListener("abort", stop);
    client.connection.stream.destroy();
  }
}

/** Bytes of the source's databases. */
async function prepareSource(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ recovering: boolean; bytes: string }>(
    "SELECT pg_is_in_recovery() AS recovering, sum(pg_database_size(oid)) AS bytes FROM pg_database",
  );
  if (rows[0]?.recovering !== false) throw new Error("The source is no primary.");
  // pg_rewind reads the timeline from the control file, where the old one stands until a checkpoint after the promotion.
  await client.query("CHECKPOINT");
  return Number(rows[0].bytes);
}

/** pg_rewind does not ask whether the log is there with which its standby would become consistent. */
async function hasLogFrom(client: pg.Client, position: string): Promise<boolean> {
  const { rowCount } = await client.query(
    "SELECT FROM pg_ls_waldir() WHERE substr(name, 9) = substr(pg_walfile_name($1::pg_lsn), 9)",
    [position],
  );
  return rowCount !== 0;
}

/** The end of an instance that was killed. */
async function recover(dataDir: string, { postgres }: PostgresBinaries, options: RewindOptions): Promise<void> {
  await clearStalePidFile(dataDir);
  if (inspectDataFolder(dataDir)?.state === "shut-down") return;
  options.onStep?.("recovering");
  // Its checkpoint would remove the log from before the histories parted, in which pg_rewind looks for that moment.
  const keep = ["-c", "wal_keep_size=1TB"];
  await run(postgres, ["--single", "-D", nameFor(dataDir, unprivilegedUser()), ...keep, "template1"], options, {
    cwd: dataDir,
    onLine: () => undefined,
  });
}

/** How much it would copy. @throws Error with the reason why it cannot, or need not */
async function plan(dataDir: string, rewind: string, draft: string, options: RewindOptions): Promise<number> {
  options.onStep?.("planning");
  const heard = new AbortController();
  const lines: string[] = [];
  let copyBytes: number | undefined;
  const source = sourceOf(options, `../${basename(draft)}`);
  await run(rewind, argumentsOf(dataDir, source, "--dry-run"), options, {
    cwd: dataDir,
    // What follows would be fetched, and then not written.
    enough: heard.signal,
    onLine: (line) => {
      lines.push(line);
      options.onLine?.(line);
      const match = /need to copy (\d+) MB/.exec(line);
      if (match === null) return;
      copyBytes = Number(match[1]) * megabyte;
      heard.abort();
    },
  });
  const [, position] = /last common checkpoint at ([0-9A-F]+\/[0-9A-F]+)/.exec(lines.join("\n")) ?? [];
  if (copyBytes === undefined || position === undefined)
    throw new Error(`pg_rewind would not copy anything: ${lines.join("; ")}`);
  if (!(await askSource(options, (client) => hasLogFrom(client, position))))
    throw new Error(`The source no longer has the log from ${position} on.`);
  return copyBytes;
}

const argumentsOf = (data: string, source: string, ...more: readonly string[]): string[] => [
  `--target-pgdata=${nameFor(data, unprivilegedUser())}`,
  `--source-server=${source}`,
  "--no-ensure-shutdown",
  "--progress",
  ...more,
];

async function copy(data: string, rewind: string, options: RewindOptions): Promise<void> {
  options.onStep?.("copying");
  await run(rewind, argumentsOf(data, sourceOf(options, "..")), options, {
    cwd: data,
    onLine: (line) => {
      const match = /(\d+)\/(\d+) kB \(\d+%\) copied/.exec(line);
      if (match !== null) options.onProgress?.(Number(match[1]) * 1_024, Number(match[2]) * 1_024);
    },
  });
  const label = join(data, "backup_label");
  if (!existsSync(label) || !readFileSync(label, "utf8").includes("BACKUP METHOD: pg_rewind"))
    throw new Error("pg_rewind left no backup label: it has not rewound anything.");
}

/**
 * Makes of the former primary at `dataDir`, on which no server may run, a standby of `from`.
 * @throws EngineMissingError; Error with the reason when it cannot be done, fails, is called off, or would copy no less
 * than a clone. Then `dataDir` is as it was or, from the copying on, not there any more.
 */
export async function rewindStandby(options: RewindOptions): Promise<Rewound> {
  const user = unprivilegedUser();
  const binaries = postgresBinaries();
  const { rewind } = binaries;
  if (rewind === undefined) throw new EngineMissingError("There is no pg_rewind beside postgres.");
  const parent = realpathSync(dirname(resolve(options.dataDir)));
  const dataDir = join(parent, basename(options.dataDir));
  removeLeftovers(dataDir);
  const draft = mkdtempSync(`${dataDir}.rewind-`);
  const data = join(draft, "data");
  const put = (path: string, text: string): void => {
    writeFileSync(path, text, { mode: 0o600, flush: true });
    giveTo(path, user);
  };
  try {
    giveTo(draft, user);
    put(join(draft, passwordFile), passwordFileLine(options.login));
    if (options.authority !== undefined) put(join(draft, authorityFile), options.authority);
    const sourceBytes = await askSource(options, prepareSource);
    await recover(dataDir, binaries, options);
    const copyBytes = await plan(dataDir, rewind, draft, options);
    if (copyBytes >= sourceBytes)
      throw new Error(
        `It would copy ${Math.round(copyBytes / megabyte)} MB, a clone ${Math.round(sourceBytes / megabyte)} MB.`,
      );
    renameSync(dataDir, data);
    await synchroniseFolder(parent);
    let copiedBytes = copyBytes;
    await copy(data, rewind, {
      ...options,
      onProgress: (doneBytes, totalBytes) => {
        copiedBytes = doneBytes;
        options.onProgress?.(doneBytes, totalBytes);
      },
    });
    // pg_rewind has synchronised what it wrote.
    put(join(data, standbySignalFile), "");
    await synchroniseFolder(data);
    // Called off by now or not: it is whole again, and better there than gone.
    renameSync(data, dataDir);
    await synchroniseFolder(parent);
    return { copiedBytes, sourceBytes };
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
