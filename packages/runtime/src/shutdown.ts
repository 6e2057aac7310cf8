/**
 * Stopping in an order that loses nothing. Each phase waits for the one before; within a phase all run together.
 * Nest orders its own hooks by component hierarchy, which says nothing about leases and connections, so services
 * register here and Nest's `app.close()` comes after the last phase.
 */
import type { Log } from "./log.ts";

export const shutdownPhases = [
  /** Take no new work: not ready, out of the routing table. */
  "stop-intake",
  /** Give leases and duties to the next one, while everything still works. */
  "hand-over",
  /** Finish what is in work. */
  "finish",
  /** Database connections. */
  "close-pools",
  /** Last: everything above may still speak. */
  "close-nats",
] as const;
export type ShutdownPhase = (typeof shutdownPhases)[number];

interface Step {
  readonly phase: ShutdownPhase;
  readonly name: string;
  readonly run: () => Promise<void> | void;
}

export class Shutdown {
  readonly #steps: Step[] = [];
  readonly #abort = new AbortController();
  #done: Promise<void> | undefined;

  constructor(private readonly log: Log) {}

  /** Aborted when the stop begins: for waits that must not delay it. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  on(phase: ShutdownPhase, name: string, run: Step["run"]): void {
    this.#steps.push({ phase, name, run });
  }

  /** Runs all phases once; later calls get the same promise. A step that fails is logged, the rest goes on. */
  run(): Promise<void> {
    this.#done ??= this.#runPhases();
    return this.#done;
  }

  async #runPhases(): Promise<void> {
    this.#abort.abort();
    for (const phase of shutdownPhases) {
      await Promise.all(
        this.#steps
          .filter((step) => step.phase === phase)
          .map(async (step) => {
            const startedAt = performance.now();
            try {
              await step.run();
              this.log.debug({ phase, step: step.name, ms: Math.round(performance.now() - startedAt) }, "stopped");
            } catch (error) {
              this.log.error({ err: error, phase, step: step.name }, "a stop step failed");
            }
          }),
      );
    }
  }
}
