/**
 * One process that is kept running: its starts, its endings, what was asked of it.
 *
 * It owns the child, its log file and its timers. States (`ProcessState`), changed only in `#become`:
 *
 *   stopped ──start──► starting ──ready──► running ◄──thaw── frozen
 *      ▲                  │  ▲                │    ──freeze──►  │
 *      │ stop, kill --stay,  │ wait is over   │                 │
 *      │ exit code 78     ▼  │                ▼                 ▼
 *      └──────────────── waiting ◄──────── ended ◄──────────────┘
 *
 * Invariants:
 * - At most one child at a time; `ended` is told exactly once per child, with its exit code or signal.
 * - A signal goes only to a child whose exit was not seen yet: the id may belong to somebody else after that.
 * - Who was asked to stay down (`stop`, `kill` with `stay`) is not started by a timer, only by `start`.
 * - The child leads a session of its own: a Ctrl-C in the terminal reaches the supervisor alone, which stops all in
 *   an order that loses nothing.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { signalTree, type SpawnSpec } from "@understudy/engines";
import { tellingLine, type LogFile } from "./log-file.ts";
import { afterEnding, type RestartPolicy } from "./restart-policy.ts";
import {
  frozen,
  thawed,
  type ProcessEvents,
  type ProcessState,
  type ProgramPlace,
  type Supervised,
} from "./supervised.ts";

/** How a process is started and how it shows that it serves. */
export interface Program extends ProgramPlace {
  /** Called before each start. */
  prepare(signal: AbortSignal): Promise<SpawnSpec> | SpawnSpec;
  /** Resolves when it serves. A program with a channel says so itself, see `markReady`. */
  ready?(signal: AbortSignal): Promise<void>;
  /** Whether Node's IPC channel connects it with the supervisor. */
  readonly hasChannel: boolean;
  readonly stopSignal: NodeJS.Signals;
  readonly restart: RestartPolicy;
  /** The engine that it runs and tells of: it is listed beside it. */
  readonly engine?: ProgramPlace;
}

export class SupervisedProcess extends EventEmitter<ProcessEvents> implements Supervised {
  #state: ProcessState = { kind: "stopped", reason: "not-started" };
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #abort = new AbortController();
  #staysDown = true;
  #preparation: Promise<unknown> = Promise.resolve();
  #starts = 0;
  #earlyEndings = 0;
  #lastWords = "";

  constructor(
    readonly program: Program,
    readonly log: LogFile,
  ) {
    super();
  }

  get id(): string {
    return this.program.id;
  }
  get state(): ProcessState {
    return this.#state;
  }
  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }
  get lastWords(): string {
    return this.#lastWords;
  }
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  start(): boolean {
    this.#staysDown = false;
    const { kind } = this.#state;
    if (kind !== "stopped" && kind !== "waiting") return false;
    if (kind === "stopped") this.#earlyEndings = 0;
    void this.#launch();
    return true;
  }

  /** For programs with a channel: it said that it serves. */
  markReady(): void {
    if (this.#state.kind === "starting" && this.#state.pid !== null) {
      this.#become({ kind: "running", pid: this.#state.pid, startedAt: this.#state.startedAt });
    } else if (this.#state.kind === "frozen") this.#become({ ...this.#state, was: "running" });
  }

  kill(stay: boolean): boolean {
    const wasUp = this.#child !== undefined || (stay && this.#state.kind !== "stopped");
    if (stay) this.#stayDown();
    if (this.#signal("SIGKILL")) this.#end("kill");
    return wasUp;
  }

  freeze(): boolean {
    const next = frozen(this.#state);
    if (next === undefined || !this.#signal("SIGSTOP")) return false;
    this.#become(next);
    return true;
  }

  thaw(): boolean {
    const next = thawed(this.#state);
    if (next === undefined || !this.#signal("SIGCONT")) return false;
    this.#become(next);
    return true;
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#stayDown();
    // A preparation may run programs of its own (initdb); it cannot be cut short, and ends by itself.
    await this.#preparation;
    if (this.#child === undefined) return;
    const ended = this.ended();
    if (this.#state.kind === "frozen") this.#signal("SIGCONT");
    if (!(this.#state.kind === "ending" && this.#state.by === "kill")) {
      this.#child.kill(this.program.stopSignal);
      this.#end("stop");
    }
    const timer = setTimeout(() => this.#signal("SIGKILL"), timeoutMs);
    await ended;
    clearTimeout(timer);
  }

  async ended(): Promise<void> {
    if (this.#child === undefined) await this.#preparation;
    else await new Promise<void>((resolve) => this.once("ended", () => resolve()));
  }

  send(message: object, socket?: Socket): boolean {
    const child = this.#child;
    if (child?.connected !== true) return false;
    child.send(message, socket, { keepOpen: false }, () => undefined);
    return true;
  }

  #stayDown(): void {
    this.#staysDown = true;
    this.#abort.abort();
    clearTimeout(this.#timer);
    // A start that is still being prepared ends where it looks at #staysDown.
    if (this.#child === undefined && this.#state.kind !== "stopped") this.#become({ kind: "stopped", reason: "asked" });
  }

  async #launch(): Promise<void> {
    clearTimeout(this.#timer);
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#starts++;
    this.#become({ kind: "starting", pid: null, startedAt: performance.now() });
    let child: ChildProcess;
    try {
      // A stop and a start in quick succession: two preparations of one data folder must not run at once.
      await this.#preparation;
      const preparation = Promise.resolve(signal.aborted ? undefined : this.program.prepare(signal));
      this.#preparation = preparation.catch(() => undefined);
      const spec = await preparation;
      if (signal.aborted || spec === undefined) return;
      child = this.#spawn(spec);
    } catch (error) {
      if (!signal.aborted) this.#ended(undefined, null, null, (error as Error).message);
      return;
    }
    // Fails later, without a process id, when the command cannot be executed.
    if (child.pid === undefined) {
      child.once("error", (error) => this.#ended(undefined, null, null, error.message));
      return;
    }
    const { pid } = child;
    this.#child = child;
    child.on("error", () => undefined);
    child.once("exit", (exitCode, endSignal) => {
      this.#child = undefined;
      this.#ended(pid, exitCode, endSignal);
    });
    child.on("message", (message) => this.emit("message", message));
    this.emit("spawned", pid);
    this.#become({ kind: "starting", pid, startedAt: performance.now() });
    this.program.ready?.(signal).then(
      () => this.#child === child && this.markReady(),
      () => undefined,
    );
  }

  #spawn(spec: SpawnSpec): ChildProcess {
    const output = this.log.open();
    try {
      return spawn(spec.command, spec.args, {
        cwd: spec.cwd,
        env: { ...spec.env },
        stdio: ["ignore", output, output, ...(this.program.hasChannel ? (["ipc"] as const) : [])],
        detached: true,
        ...(spec.uid !== undefined && { uid: spec.uid }),
        ...(spec.gid !== undefined && { gid: spec.gid }),
      });
    } finally {
      closeSync(output);
    }
  }

  #ended(pid: number | undefined, exitCode: number | null, signal: NodeJS.Signals | null, reason?: string): void {
    this.#abort.abort();
    const at = Date.now();
    const before = this.#state;
    const wasAsked = before.kind === "ending";
    const words = wasAsked || signal === "SIGKILL" ? "" : this.log.lastWords();
    const lastWords = reason === undefined ? words : tellingLine(reason);
    this.#lastWords = lastWords;
    this.emit("ended", { pid, exitCode, signal, at, wasAsked, lastWords });
    if (this.#staysDown) return this.#become({ kind: "stopped", reason: "asked" });
    const livedMs = "startedAt" in before ? performance.now() - before.startedAt : 0;
    const decision = afterEnding(
      { livedMs, exitCode, wasKilledOnPurpose: wasAsked },
      this.#earlyEndings,
      this.program.restart,
    );
    if (decision.kind === "give-up") return this.#become({ kind: "stopped", reason: "configuration" });
    this.#earlyEndings = decision.earlyEndings;
    this.#timer = setTimeout(() => void this.#launch(), decision.waitMs);
    this.#become({ kind: "waiting", waitMs: decision.waitMs });
  }

  #end(by: "kill" | "stop"): void {
    const state = this.#state;
    if (!("startedAt" in state) || state.pid === null) return;
    this.#become({ kind: "ending", pid: state.pid, startedAt: state.startedAt, by });
  }

  /** False when it is gone already. */
  #signal(signal: NodeJS.Signals): boolean {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    return this.program.startsOthers ? signalTree(child.pid, signal).length > 0 : child.kill(signal);
  }

  #become(state: ProcessState): void {
    this.#state = state;
    this.emit("state", state);
  }
}
