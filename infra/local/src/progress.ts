/** What `npm start` prints: one line per event, coloured by process and outcome where colours are wanted. */
import type { createColors } from "picocolors";
import type { ProcessState, Supervised } from "./supervised.ts";
import type { ProcessExit } from "./supervisor.ts";

type Colors = ReturnType<typeof createColors>;
type Painter = (text: string) => string;

const longestWords = 160;

/** What is told of a new state; undefined: nothing, it is told otherwise or goes without saying. */
export function stateWords(state: ProcessState): string | undefined {
  switch (state.kind) {
    case "starting":
      return state.pid === null ? undefined : `starting (process ${state.pid})`;
    case "running":
      return "running";
    case "frozen":
      return "frozen";
    case "waiting":
      return `starts again in ${(state.waitMs / 1_000).toFixed(1)} s`;
    case "stopped":
      return state.reason === "configuration" ? "stays down until its configuration is mended" : undefined;
    case "ending":
      return undefined;
  }
}

export function exitWords({ exitCode, signal, lastWords, pid }: Omit<ProcessExit, "at">): string {
  const seen = signal ?? (exitCode === null ? undefined : `exit code ${exitCode}`);
  const how = pid === undefined ? "could not be started" : seen === undefined ? "ended" : `ended (${seen})`;
  const words = lastWords.length > longestWords ? `${lastWords.slice(0, longestWords)}…` : lastWords;
  return words === "" ? how : `${how}: ${words}`;
}

export class Progress {
  readonly #startedAt = performance.now();
  readonly #byKind: Readonly<Record<string, Painter>>;
  #isQuiet = false;

  constructor(
    private readonly print: (line: string) => void,
    private readonly colors: Colors,
  ) {
    this.#byKind = {
      network: colors.gray,
      nats: colors.blue,
      postgres: colors.cyan,
      "db-keeper": colors.cyan,
      "db-pool": colors.cyan,
      "message-server": colors.magenta,
      "app-server": colors.green,
      "load-balancer": colors.yellow,
      "heartbeat-monitor": colors.white,
    };
  }

  say(text: string): void {
    this.print(text);
  }

  state(process: Supervised, state: ProcessState): void {
    const words = stateWords(state);
    if (words === undefined || this.#isQuiet) return;
    const { green, yellow, red, dim } = this.colors;
    const paint = { running: green, frozen: yellow, waiting: yellow, stopped: red, starting: dim, ending: dim };
    this.#line(process, paint[state.kind](words));
  }

  exit(process: Supervised, exit: ProcessExit): void {
    const isWanted = this.#isQuiet && exit.wasAsked;
    this.#line(process, isWanted ? this.colors.dim("stopped") : this.colors.red(exitWords(exit)));
  }

  /** From here on ends are wanted. */
  stopping(): void {
    this.#isQuiet = true;
  }

  #line({ id, program }: Supervised, words: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(6);
    const paint = this.#byKind[program.kind] ?? this.colors.white;
    this.print(`${this.colors.dim(`${seconds} s`)}  ${paint(id.padEnd(20))} ${words}`);
  }
}
