/** What the command line has around it; given from outside so that a whole command runs inside a test. */
export interface Surroundings {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Everything on standard input. */
  readonly readInput: () => Promise<string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The current folder. */
  readonly folder: string;
  /** Aborted by Ctrl-C: whatever waits or watches ends. */
  readonly signal: AbortSignal;
  /** Whether a person looks at stdout. */
  readonly isTerminal: boolean;
  /** Width of the terminal; without one nothing is shortened. */
  readonly columns: number;
}

async function readStandardInput(): Promise<string> {
  process.stdin.setEncoding("utf8");
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}

export function surroundingsOfProcess(signal: AbortSignal): Surroundings {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    readInput: readStandardInput,
    environment: process.env,
    folder: process.cwd(),
    signal,
    isTerminal: process.stdout.isTTY,
    columns: process.stdout.columns ?? Number.POSITIVE_INFINITY,
  };
}
