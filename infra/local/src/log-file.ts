/** Output of a child process: its own file descriptor, so that its lines are kept when the supervisor is gone. */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

const rotateBytes = 10 * 1024 * 1024;
const lastWordsBytes = 8 * 1024;

export class LogFile {
  readonly path: string;
  /** Where the output of the latest start begins. */
  #startedAt = 0;

  constructor(folder: string, id: string) {
    this.path = join(folder, `${id}.log`);
  }

  /** A descriptor to append to, for one start of the process; the caller closes it. */
  open(): number {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const size = statSync(this.path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > rotateBytes) renameSync(this.path, `${this.path}.1`);
    const descriptor = openSync(this.path, "a", 0o600);
    this.#startedAt = fstatSync(descriptor).size;
    return descriptor;
  }

  /** The most telling line of the latest start: its last error, else its last line. Empty when it said nothing. */
  lastWords(): string {
    let descriptor: number;
    try {
      descriptor = openSync(this.path, "r");
    } catch {
      return "";
    }
    try {
      const { size } = fstatSync(descriptor);
      const from = Math.max(this.#startedAt, size - lastWordsBytes);
      const bytes = Buffer.alloc(Math.max(size - from, 0));
      readSync(descriptor, bytes, 0, bytes.length, from);
      return tellingLine(bytes.toString("utf8"));
    } finally {
      closeSync(descriptor);
    }
  }
}

/** What pino writes, as far as it is told here. */
interface LogEntry {
  readonly level?: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
}
const errorLevel = 50;

/** Services write JSON lines (pino), engines and crashes plain text. */
export function tellingLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const read = lines.map((line) => {
    try {
      const entry = JSON.parse(line) as LogEntry;
      const reason = entry.err?.message === undefined ? "" : `: ${entry.err.message}`;
      return { isError: Number(entry.level) >= errorLevel, text: `${entry.msg ?? ""}${reason}` };
    } catch {
      return { isError: /\b(error|fatal|panic)\b/i.test(line), text: line.trim() };
    }
  });
  return (read.findLast(({ isError }) => isError) ?? read.at(-1))?.text ?? "";
}
