/** `.understudy/`: everything that a cluster on this computer leaves on disk. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { CallerError } from "@understudy/runtime/errors";

/** Where the cluster of this repository keeps its state: `UNDERSTUDY_STATE_DIR`, else `.understudy` at its top. */
export const stateDirOf = (repository: string, environment: NodeJS.ProcessEnv = process.env): string =>
  environment["UNDERSTUDY_STATE_DIR"] || join(repository, ".understudy");

/** The longest address of a unix socket is 103 (macOS) or 107 bytes. */
const longestSocketPath = 100;

/** How `data` is laid out. 1: one PostgreSQL under the supervisor. 2: two under db-keepers. 3: with roles of their own. */
const dataFormat = 3;

export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  get runFile(): string {
    return join(this.path, "run.json");
  }
  get data(): string {
    return join(this.path, "data");
  }
  get logs(): string {
    return join(this.path, "logs");
  }
  get secrets(): string {
    return join(this.path, "secrets");
  }
  /** Who supervises, and what it started. */
  get ledger(): string {
    return join(this.path, "supervisor.json");
  }
  get lock(): string {
    return join(this.path, "supervisor.lock");
  }
  /** Below the temporary folder where the own path would be too long for a socket. */
  get controlSocket(): string {
    const path = join(this.path, "control.sock");
    if (Buffer.byteLength(path) <= longestSocketPath) return path;
    const short = createHash("sha256").update(this.path).digest("hex").slice(0, 16);
    return join(tmpdir(), `understudy-${process.getuid?.() ?? 0}-${short}.sock`);
  }

  /** Others may pass through (PostgreSQL runs as another user when root starts it), but not look around. */
  make(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o711 });
    chmodSync(this.path, 0o711);
    mkdirSync(this.data, { recursive: true, mode: 0o711 });
  }

  /**
   * Marks fresh data with this version's format.
   * @throws CallerError `conflict` for data that another version left: it would be neither used nor harmed unnoticed.
   */
  claimFormat(): void {
    const marker = join(this.data, "format");
    if (existsSync(marker)) {
      const found = Number(readFileSync(marker, "utf8"));
      if (found === dataFormat) return;
      throw this.#otherFormat(`format ${found}`);
    }
    if (readdirSync(this.data).length > 0) throw this.#otherFormat("an older version");
    writeFileSync(marker, `${dataFormat}\n`);
  }

  #otherFormat(of: string): CallerError {
    return new CallerError(
      "conflict",
      `The data under ${this.data} is of ${of} and cannot be used by this one (format ${dataFormat}). ` +
        "Begin anew, which removes it: npm start -- --fresh",
    );
  }

  /** Data and logs of former runs; passwords stay. Only while nothing runs. */
  clear(): void {
    rmSync(this.data, { recursive: true, force: true });
    rmSync(this.logs, { recursive: true, force: true });
    this.make();
  }
}
