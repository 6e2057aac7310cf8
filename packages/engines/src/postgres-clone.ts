/**
 * Clones a running PostgreSQL over the replication protocol, as pg_basebackup does (which the embedded binaries lack):
 * BASE_BACKUP, one tar archive with the log that makes it consistent, as the server sends it.
 *
 * Invariants:
 * - What is at `dataDir` is whole: the stream is written into a sibling folder, synchronised to disk with all that it
 *   holds, made a standby (`standby.signal`), and then renamed. A clone that is killed leaves a draft, which no server
 *   is ever started on and which the next clone removes.
 * - The old data is removed only after the new one is in its place.
 *
 * Protocol: https://www.postgresql.org/docs/current/protocol-replication.html, BASE_BACKUP, as of PostgreSQL 15.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { chown, lchown, mkdir, open, symlink, writeFile, type FileHandle } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import type { PostgresAddress, ReplicationOptions } from "./postgres-configuration.ts";
import { standbySignalFile } from "./postgres-server.ts";
import { TarReader } from "./tar-reader.ts";
import { unprivilegedUser } from "./unprivileged.ts";

export interface CloneOptions {
  readonly dataDir: string;
  readonly from: PostgresAddress;
  readonly replication: Pick<ReplicationOptions, "user" | "password">;
  /** PEM of whom to believe that it is the source; with it nothing is said without TLS. */
  readonly authority?: string | undefined;
  /** Shown by the server while it sends. */
  readonly label: string;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
  /** Refuses another database than this one. */
  readonly systemIdentifier?: string | undefined;
}

/** The source has, or is, something that cannot be cloned; trying again does not help. */
export class CloneRefusedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CloneRefusedError";
  }
}

const silentMs = 15_000;
// The socket is paused above this, so that memory stays bounded on a slow disk.
const mostQueuedBytes = 8 * 1_024 * 1_024;

const leftovers = ["clone", "old", "rewind"] as const;

/** Folders that a clone, its predecessor's removal or a rewind left when it was killed. */
export function removeLeftovers(dataDir: string): void {
  for (const entry of readdirSync(dirname(dataDir))) {
    if (leftovers.some((kind) => entry.startsWith(`${basename(dataDir)}.${kind}-`)))
      rmSync(join(dirname(dataDir), entry), { recursive: true, force: true });
  }
}

/** `path` below `root`. @throws when it would lead elsewhere: the source is trusted with content, not with paths. */
function below(root: string, path: string): string {
  const full = resolve(root, path);
  if (full !== root && !full.startsWith(`${root}${sep}`)) throw new Error(`The backup names a path outside: ${path}.`);
  return full;
}

class Unpacking {
  readonly #tar = new TarReader();
  #file: FileHandle | undefined;
  readonly #user = unprivilegedUser();

  constructor(private readonly root: string) {}

  async take(chunk: Buffer): Promise<void> {
    for (const part of this.#tar.read(chunk)) {
      switch (part.kind) {
        case "folder": {
          const path = below(this.root, part.path);
          await mkdir(path, { recursive: true, mode: 0o700 });
          if (this.#user) await chown(path, this.#user.uid, this.#user.gid);
          break;
        }
        case "link": {
          if (part.path.startsWith("pg_tblspc/"))
            throw new CloneRefusedError("The database has a tablespace outside its data folder, which is not cloned.");
          const path = below(this.root, part.path);
          await symlink(part.pointsTo, path);
          if (this.#user) await lchown(path, this.#user.uid, this.#user.gid);
          break;
        }
        case "file":
          this.#file = await open(below(this.root, part.path), "w", 0o600);
          if (this.#user) await this.#file.chown(this.#user.uid, this.#user.gid);
          break;
        case "content":
          await this.#file?.writeFile(part.bytes);
          break;
        case "file-end":
          await this.close();
          break;
      }
    }
  }

  get isComplete(): boolean {
    return this.#tar.isComplete && existsSync(join(this.root, "global", "pg_control"));
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

/** Sends BASE_BACKUP and hands over the archive's bytes in order; holds the socket back while they are not taken. */
class BaseBackup extends pg.Query {
  #tail: Promise<void> = Promise.resolve();
  #queuedBytes = 0;
  #isFailed = false;
  doneBytes = 0;

  constructor(
    label: string,
    private readonly stream: { pause(): void; resume(): void; destroy(error?: Error): void },
    private readonly take: (bytes: Buffer) => Promise<void>,
    private readonly onArchive: (tablespace: string) => void,
    callback: (error: Error | undefined, results: unknown) => void,
  ) {
    // A label is a name of ours; quoted nevertheless.
    const text = `BASE_BACKUP (LABEL '${label.replaceAll("'", "''")}', PROGRESS true, CHECKPOINT 'fast', WAL true, WAIT true, MANIFEST 'no')`;
    super(text, undefined, callback as never);
  }

  /** Resolves when all that came is taken. @throws what the taker threw. */
  get taken(): Promise<void> {
    return this.#tail;
  }

  // Called by pg's client for each CopyData message; the bytes are the parser's and change after the return.
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    if (this.#isFailed) return;
    switch (String.fromCharCode(chunk[0] ?? 0)) {
      case "n": {
        const nameEnd = chunk.indexOf(0, 1);
        this.onArchive(chunk.toString("utf8", nameEnd + 1, chunk.indexOf(0, nameEnd + 1)));
        return;
      }
      case "d":
        this.#enqueue(Buffer.from(chunk.subarray(1)));
        return;
      default:
        // 'p': progress, counted here as well. 'm': a manifest, not asked for.
        return;
    }
  }

  #enqueue(bytes: Buffer): void {
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > mostQueuedBytes) this.stream.pause();
    this.#tail = this.#tail.then(async () => {
      await this.take(bytes);
      this.doneBytes += bytes.length;
      this.#queuedBytes -= bytes.length;
      if (this.#queuedBytes < mostQueuedBytes / 2) this.stream.resume();
    });
    this.#tail.catch((error: Error) => {
      this.#isFailed = true;
      this.stream.destroy(error);
    });
  }
}

/** Everything below `folder` is on disk: one system call for its file system where there is the program for it. */
async function synchronise(folder: string): Promise<void> {
  try {
    await promisify(execFile)("sync", ["--file-system", folder]);
    return;
  } catch {
    // Not GNU's: file by file.
  }
  for (const entry of [folder, ...readdirSync(folder, { recursive: true, encoding: "utf8" })]) {
    const handle = await open(resolve(folder, entry), "r");
    await handle.sync().finally(() => handle.close());
  }
}

export async function synchroniseFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}

/**
 * Replaces what is at `dataDir`, on which no server may run, by a clone of `from` that starts as its standby.
 * @throws CloneRefusedError; errors of network, disk or server otherwise, after which `dataDir` is as it was.
 */
export async function cloneStandby(options: CloneOptions): Promise<void> {
  const parent = dirname(resolve(options.dataDir));
  mkdirSync(parent, { recursive: true });
  const dataDir = join(realpathSync(parent), basename(options.dataDir));
  removeLeftovers(dataDir);
  const draft = mkdtempSync(`${dataDir}.clone-`);
  const data = join(draft, "data");
  try {
    const user = unprivilegedUser();
    mkdirSync(data, { mode: 0o700 });
    if (user) {
      await chown(draft, user.uid, user.gid);
      await chown(data, user.uid, user.gid);
    }
    await receive(options, data);
    const signalFile = join(data, standbySignalFile);
    await writeFile(signalFile, "", { mode: 0o600 });
    if (user) await chown(signalFile, user.uid, user.gid);
    await synchronise(data);
    options.signal?.throwIfAborted();
    const old = `${dataDir}.old-${basename(draft).slice(-6)}`;
    if (existsSync(dataDir)) renameSync(dataDir, old);
    renameSync(data, dataDir);
    await synchroniseFolder(parent);
    rmSync(old, { recursive: true, force: true });
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

async function receive(options: CloneOptions, data: string): Promise<void> {
  const { from, replication, signal, authority } = options;
  const client = new pg.Client({
    host: from.host,
    port: from.port,
    user: replication.user,
    password: replication.password,
    ...(authority !== undefined && { ssl: { ca: authority } }),
    replication: "true",
    application_name: `clone:${options.label}`,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  } as pg.ClientConfig);
  // pg tells a lost connection both here and at the query.
  client.on("error", () => undefined);
  const unpacking = new Unpacking(data);
  const stop = () => client.connection.stream.destroy(new Error("The clone was called off."));
  let silence: NodeJS.Timeout | undefined;
  try {
    signal?.throwIfAborted();
    await client.connect();
    signal?.addEventListener("abort", stop, { once: true });
    const { stream } = client.connection;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => stream.destroy(new Error(`The source sent nothing for ${silentMs} ms.`)), silentMs);
    };
    await checkIdentity(client, options);
    let totalBytes = 0;
    heard();
    const { backup, results } = await new Promise<{ backup: BaseBackup; results: unknown }>((finish, fail) => {
      const running: BaseBackup = new BaseBackup(
        options.label,
        stream,
        async (bytes) => {
          heard();
          await unpacking.take(bytes);
          const doneBytes = running.doneBytes + bytes.length;
          options.onProgress?.(doneBytes, Math.max(totalBytes, doneBytes));
        },
        (tablespace) => {
          if (tablespace !== "") stream.destroy(new CloneRefusedError(refusal(tablespace)));
        },
        (error, found) => (error ? fail(error) : finish({ backup: running, results: found })),
      );
      // The size stands in a result that precedes the archive.
      running.on("row", (row: { size?: unknown }) => {
        if (row.size !== undefined) totalBytes = Number(row.size) * 1_024;
      });
      client.query(running as never);
    });
    await backup.taken;
    if (!Array.isArray(results) || !unpacking.isComplete)
      throw new Error(`The backup from ${from.host}:${from.port} ended before it was complete.`);
  } catch (error) {
    // The reason that broke the stream says more than what the broken stream says.
    const { errored } = client.connection.stream;
    throw errored instanceof Error && error instanceof Error && error.message === "Connection terminated"
      ? errored
      : error;
  } finally {
    clearTimeout(silence);
    signal?.removeEventListener("abort", stop);
    await unpacking.close();
    client.connection.stream.destroy();
  }
}

const refusal = (tablespace: string): string =>
  `The database has a tablespace at ${tablespace}, outside its data folder, which is not cloned: drop it or move its tables.`;

async function checkIdentity(client: pg.Client, { systemIdentifier, from }: CloneOptions): Promise<void> {
  if (systemIdentifier === undefined) return;
  const found = await client.query<{ systemid: string }>("IDENTIFY_SYSTEM");
  const other = found.rows[0]?.systemid;
  if (other !== systemIdentifier)
    throw new CloneRefusedError(
      `${from.host}:${from.port} holds another database (system identifier ${other}, not ${systemIdentifier}).`,
    );
}
