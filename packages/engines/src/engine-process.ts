/**
 * One running process of an engine: from its start to its exit, once. Starting again is a new EngineProcess.
 *
 * It keeps the last lines of output, because the reason of an early death stands there and nowhere else. `kill`,
 * `freeze` and `thaw` reach all that the process started; after the exit they do nothing, since the process id may
 * belong to somebody else by then.
 */
import { spawn, type ChildProcess, type IOType, type SpawnOptions } from "node:child_process";
import { createInterface } from "node:readline";
import { signalTree } from "./process-tree.ts";
import type { Reaper } from "./reaper.ts";
import type { SpawnSpec } from "./spawn-spec.ts";

export interface EngineExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface EngineProcessOptions {
  /** Asks the process to end: SIGTERM, for PostgreSQL SIGINT ("fast": ends sessions, then itself). */
  readonly stopSignal?: NodeJS.Signals;
  /** How long `stop` waits before it kills. */
  readonly stopTimeoutMs?: number;
  /** Gets each line of output. */
  readonly onLine?: (line: string) => void;
  /** Ends it, with all that it started, should this process die before it. */
  readonly reaper?: Reaper;
}

/** The process could not be started, or ended before it was ready. */
export class EngineStartError extends Error {
  constructor(name: string, reason: string, tail: string, options?: { cause?: unknown }) {
    super(`${name} ${reason}${tail === "" ? "." : `. Its last words:\n${tail}`}`, options);
    this.name = "EngineStartError";
  }
}

const keptLines = 30;
const keptLineLength = 500;

export class EngineProcess {
  readonly exited: Promise<EngineExit>;
  readonly #child: ChildProcess;
  readonly #tail: string[] = [];
  readonly #outputEnded: Promise<unknown>;
  #startFailure: Error | undefined;
  #exit: EngineExit | undefined;

  private constructor(
    readonly name: string,
    spec: SpawnSpec,
    private readonly options: EngineProcessOptions,
  ) {
    const spawnOptions: SpawnOptions & { stdio: IOType[] } = {
      cwd: spec.cwd,
      env: { ...spec.env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(spec.uid !== undefined && { uid: spec.uid }),
      ...(spec.gid !== undefined && { gid: spec.gid }),
    };
    const { reaper } = options;
    this.#child = reaper
      ? reaper.spawn(spec.command, spec.args, spawnOptions)
      : spawn(spec.command, spec.args, spawnOptions);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) createInterface({ input: stream }).on("line", (line) => this.#keep(line));
    }
    this.#outputEnded = new Promise((resolve) => this.#child.once("close", resolve));
    this.exited = new Promise((resolve) => {
      const end = (exit: EngineExit) => {
        this.#exit ??= exit;
        resolve(this.#exit);
      };
      this.#child.once("exit", (code, signal) => end({ code, signal }));
      this.#child.on("error", (error) => {
        if (this.#child.pid !== undefined) return;
        this.#startFailure = error;
        end({ code: null, signal: null });
      });
    });
  }

  /** Starts the process; `ready` tells whether it came up. */
  static start(name: string, spec: SpawnSpec, options: EngineProcessOptions = {}): EngineProcess {
    return new EngineProcess(name, spec, options);
  }

  #keep(line: string): void {
    this.#tail.push(line.slice(0, keptLineLength));
    if (this.#tail.length > keptLines) this.#tail.shift();
    this.options.onLine?.(line);
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasExited(): boolean {
    return this.#exit !== undefined;
  }

  /** Resolves when all that it said was handed on: not before those have ended that share its output. */
  get silent(): Promise<unknown> {
    return this.#outputEnded;
  }

  /** The last lines of output. */
  get tail(): string {
    return this.#tail.join("\n");
  }

  /**
   * Waits for `check`, such as `(signal) => natsServerReady(options, signal)`.
   * @throws EngineStartError with the last lines of output when the process ends first or `timeoutMs` (30 s) is over.
   */
  async ready(check: (signal: AbortSignal) => Promise<void>, timeoutMs = 30_000): Promise<this> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeoutMs);
    const checked = check(abort.signal).then(
      () => undefined,
      (error: unknown) => new EngineStartError(this.name, `is not ready: ${(error as Error).message}`, this.tail),
    );
    const died = this.exited.then((exit) => this.#earlyDeath(exit));
    const error = await Promise.race([checked, died]);
    clearTimeout(timer);
    abort.abort();
    if (error) throw error;
    return this;
  }

  async #earlyDeath({ code, signal }: EngineExit): Promise<EngineStartError> {
    const cause = this.#startFailure;
    if (cause) return new EngineStartError(this.name, `could not be started: ${cause.message}`, "", { cause });
    // The last words may still be in the pipe; a child that outlives it may hold the pipe open, so not for long.
    await Promise.race([this.#outputEnded, new Promise((resolve) => setTimeout(resolve, 500).unref())]);
    return new EngineStartError(this.name, `ended at its start (${signal ?? `code ${code}`})`, this.tail);
  }

  /** Asks it to end and waits; after `stopTimeoutMs` (10 s) kills it. */
  async stop(): Promise<EngineExit> {
    if (this.#exit === undefined && this.#child.pid !== undefined) {
      this.thaw();
      this.#child.kill(this.options.stopSignal ?? "SIGTERM");
      const timer = setTimeout(() => this.#signal("SIGKILL"), this.options.stopTimeoutMs ?? 10_000);
      await this.exited;
      clearTimeout(timer);
    }
    return this.exited;
  }

  /** kill -9, all at once; resolves when it is gone. */
  async kill(): Promise<EngineExit> {
    this.#signal("SIGKILL");
    return this.exited;
  }

  freeze(): void {
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined && this.#child.pid !== undefined) signalTree(this.#child.pid, signal);
  }
}
