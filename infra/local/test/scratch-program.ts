/** Tiny programs for tests of supervision: real processes, without a service's weight. */
import { tmpdir } from "node:os";
import { temporaryFolder } from "@understudy/testkit";
import { LogFile } from "../src/log-file.ts";
import type { ProcessState, Supervised } from "../src/supervised.ts";
import { SupervisedProcess, type Program } from "../src/supervised-process.ts";

/** Short waits, so that a test of restarts takes no seconds. */
export const quick = { firstMs: 20, mostMs: 80, steadyMs: 60_000 };

/** A Node process that runs `source` (CommonJS) with an IPC channel. */
export function scratchProgram(source: string, overrides: Partial<Program> = {}): Program {
  return {
    id: "scratch-a",
    kind: "heartbeat-monitor",
    machine: "machine-a",
    prepare: () => ({
      command: process.execPath,
      args: ["-e", source],
      env: { PATH: process.env["PATH"] ?? "" },
      cwd: tmpdir(),
    }),
    hasChannel: true,
    startsOthers: false,
    stopSignal: "SIGTERM",
    restart: quick,
    ...overrides,
  };
}

/** Supervised scratch programs of one test, ended with it. */
export class Scratch {
  readonly #folder = temporaryFolder("local");
  readonly #all: SupervisedProcess[] = [];

  process(source: string, overrides: Partial<Program> = {}): SupervisedProcess {
    const program = scratchProgram(source, overrides);
    const supervised = new SupervisedProcess(program, new LogFile(this.#folder.path, program.id));
    this.#all.push(supervised);
    return supervised;
  }

  get path(): string {
    return this.#folder.path;
  }

  async end(): Promise<void> {
    for (const each of this.#all) each.kill(true);
    await Promise.all(this.#all.map((each) => each.ended()));
    this.#folder.remove();
  }
}

/** The next state of a kind, or the present one. */
export function reaches<Kind extends ProcessState["kind"]>(
  supervised: Supervised,
  kind: Kind,
): Promise<Extract<ProcessState, { kind: Kind }>> {
  return new Promise((resolve) => {
    const look = (state: ProcessState) => {
      if (state.kind !== kind) return;
      supervised.off("state", look);
      resolve(state as Extract<ProcessState, { kind: Kind }>);
    };
    supervised.on("state", look);
    look(supervised.state);
  });
}

export const nextMessage = (supervised: SupervisedProcess): Promise<unknown> =>
  new Promise((resolve) => supervised.once("message", resolve));
