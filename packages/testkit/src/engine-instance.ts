/**
 * One engine that a test kills and starts again: the same options, data and ports, a new process each time.
 *
 * State: `stopped` (never started, or ended by us), `running`, `frozen`. A process that ends by itself is found
 * `stopped`; `start` works then as after a kill.
 */
import { EngineProcess, type EngineProcessOptions, type SpawnSpec } from "@understudy/engines";
import { reaper } from "./registered.ts";

export interface EngineDefinition {
  readonly name: string;
  readonly prepare: () => SpawnSpec | Promise<SpawnSpec>;
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly options?: EngineProcessOptions;
}

export type EngineState = "stopped" | "running" | "frozen";

export class EngineInstance {
  #process: EngineProcess | undefined;
  #isFrozen = false;

  constructor(private readonly definition: EngineDefinition) {}

  get state(): EngineState {
    if (this.#process === undefined || this.#process.hasExited) return "stopped";
    return this.#isFrozen ? "frozen" : "running";
  }

  /** Undefined while it is stopped. */
  get pid(): number | undefined {
    return this.state === "stopped" ? undefined : this.#process?.pid;
  }

  /** The last lines of output of the newest process. */
  get tail(): string {
    return this.#process?.tail ?? "";
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    await this.launch();
    await this.ready();
  }

  /** Starts it without waiting: the nodes of a cluster need each other to become ready. */
  async launch(): Promise<void> {
    if (this.state !== "stopped") throw new Error(`${this.definition.name} is ${this.state} already.`);
    this.#isFrozen = false;
    const { name, options } = this.definition;
    this.#process = EngineProcess.start(name, await this.definition.prepare(), { ...options, reaper });
  }

  async ready(): Promise<void> {
    await this.#process?.ready(this.definition.ready);
  }

  /** kill -9 with all that it started; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** In order. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  freeze(): void {
    this.#process?.freeze();
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#process?.thaw();
    this.#isFrozen = false;
  }
}
