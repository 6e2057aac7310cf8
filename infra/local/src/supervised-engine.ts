/**
 * An engine that one of our processes runs: the PostgreSQL of a db-keeper. Its keeper starts and ends it and tells of
 * that over its channel; here it is listed, killed, frozen and thawed like every process.
 *
 * States as for processes (`ProcessState`), changed only in `#become`; they follow what the keeper says, and the
 * keeper's own state while it is down.
 *
 * Invariants:
 * - It never outlives its keeper: when that ends, whatever is left of the engine is killed (its own reaper does the
 *   same; here it is done again, since two primaries are worse than two kills).
 * - A signal goes only to the process that was told of: its birth is compared, the id may be somebody else's by now.
 * - `kill --stay` tells the keeper first, so that it does not take the end for a failure of its own to mend; a keeper
 *   that starts anew is told again.
 */
import { EventEmitter } from "node:events";
import { childMessage, type ChildMessage } from "@understudy/contracts";
import { signalTree } from "@understudy/engines";
import { pause } from "@understudy/runtime/wait";
import type { LogFile } from "./log-file.ts";
import { birthOf } from "./process-birth.ts";
import {
  frozen,
  thawed,
  type ProcessEvents,
  type ProcessState,
  type ProgramPlace,
  type Supervised,
} from "./supervised.ts";

type EngineMessage = Extract<ChildMessage, { type: "engine" }>;

interface Life {
  readonly pid: number;
  readonly birth: string;
  readonly startedAt: number;
}

const lookMs = 10;

export class SupervisedEngine extends EventEmitter<ProcessEvents> implements Supervised {
  #state: ProcessState = { kind: "stopped", reason: "not-started" };
  #life: Life | undefined;
  #isHeld = false;
  #wasKilled = false;
  #starts = 0;

  constructor(
    readonly program: ProgramPlace,
    private readonly keeper: Supervised,
  ) {
    super();
    keeper.on("spawned", () => this.#isHeld && this.#tell("hold"));
    keeper.on("message", (message) => this.#hear(message));
    keeper.on("ended", () => this.#keeperEnded());
    keeper.on("state", () => this.#life === undefined && this.#followKeeper());
  }

  /** Its keeper writes down what it says. */
  get log(): LogFile {
    return this.keeper.log;
  }
  get id(): string {
    return this.program.id;
  }
  get state(): ProcessState {
    return this.#state;
  }
  get pid(): number | null {
    return this.#life?.pid ?? null;
  }
  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }
  /** They stand among its keeper's. */
  get lastWords(): string {
    return "";
  }

  start(): boolean {
    const wasHeld = this.#isHeld;
    this.#isHeld = false;
    if (wasHeld) this.#tell("release");
    return this.keeper.start() || wasHeld;
  }

  kill(stay: boolean): boolean {
    const wasUp = this.#life !== undefined || (stay && this.#state.kind !== "stopped");
    if (stay) {
      this.#isHeld = true;
      this.#tell("hold");
      if (this.#life === undefined) this.#followKeeper();
    }
    this.#signal("SIGKILL");
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

  /** Its keeper stops it; a frozen one would make that wait. */
  async stop(): Promise<void> {
    if (this.#state.kind === "frozen") this.#signal("SIGCONT");
    await this.keeper.ended();
  }

  async ended(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    while (this.#life === life && isAlive(life)) await pause(lookMs);
    // Its keeper will say so too. Until then nobody may take it for running.
    if (this.#life === life) this.#end(this.#downState("waiting"));
  }

  send(): boolean {
    return false;
  }

  #tell(wish: "hold" | "release"): void {
    this.keeper.send({ type: "engine", id: this.id, wish });
  }

  #hear(message: unknown): void {
    // What was still on its way when the keeper ended names an engine that is gone.
    if (this.keeper.pid === null) return;
    const { data } = childMessage.safeParse(message);
    if (data?.type === "engine" && data.id === this.id) this.#follow(data);
  }

  #follow({ pid, state }: EngineMessage): void {
    if (pid === null) return this.#end(this.#downState(state));
    const kind = state === "running" ? "running" : "starting";
    if (this.#life?.pid !== pid) return this.#begin(pid, kind);
    if (this.#state.kind === "frozen") this.#become({ ...this.#state, was: kind });
    else if (this.#state.kind !== "ending") this.#become({ kind, pid, startedAt: this.#life.startedAt });
  }

  #begin(pid: number, kind: "starting" | "running"): void {
    const birth = birthOf(pid);
    // Said before its end, heard after it.
    if (birth === undefined) return;
    this.#end();
    const startedAt = performance.now();
    this.#life = { pid, birth, startedAt };
    this.#starts += 1;
    this.emit("spawned", pid);
    this.#become({ kind, pid, startedAt });
  }

  #downState(state: EngineMessage["state"]): ProcessState {
    if (this.#isHeld || state === "stopped") return { kind: "stopped", reason: "asked" };
    if (state === "waiting") return { kind: "waiting", waitMs: 0 };
    return { kind: "starting", pid: null, startedAt: performance.now() };
  }

  #keeperEnded(): void {
    const life = this.#life;
    if (life !== undefined && isAlive(life)) signalTree(life.pid, "SIGKILL");
    this.#end();
  }

  /** While there is no engine, its state is that of its keeper: down for good, down for now, or on its way. */
  #followKeeper(): void {
    const { state } = this.keeper;
    if (this.#isHeld || state.kind === "stopped") {
      const reason = state.kind === "stopped" ? state.reason : "asked";
      this.#become({ kind: "stopped", reason });
    } else if (state.kind === "waiting") this.#become({ kind: "waiting", waitMs: state.waitMs });
    else if (this.#state.kind !== "starting" && this.#state.kind !== "waiting") {
      this.#become({ kind: "starting", pid: null, startedAt: performance.now() });
    }
  }

  /** Its end, if it had not ended; then the state that it is in. */
  #end(next?: ProcessState): void {
    const life = this.#life;
    const wasAsked = this.#wasKilled || this.keeper.state.kind === "ending" || this.keeper.state.kind === "stopped";
    this.#life = undefined;
    this.#wasKilled = false;
    if (life !== undefined) {
      const { pid } = life;
      this.emit("ended", { pid, exitCode: null, signal: null, at: Date.now(), wasAsked, lastWords: "" });
    }
    if (next) this.#become(next);
  }

  /** False when it is gone already. */
  #signal(signal: NodeJS.Signals): boolean {
    const life = this.#life;
    if (life === undefined || !isAlive(life) || signalTree(life.pid, signal).length === 0) return false;
    if (signal === "SIGKILL") {
      this.#wasKilled = true;
      this.#become({ kind: "ending", pid: life.pid, startedAt: life.startedAt, by: "kill" });
    }
    return true;
  }

  #become(state: ProcessState): void {
    this.#state = state;
    this.emit("state", state);
  }
}

const isAlive = ({ pid, birth }: Life): boolean => birthOf(pid) === birth;
