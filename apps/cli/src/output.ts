/** Where results, notes and errors go: data on stdout in the chosen format, everything else on stderr. */
import { UnderstudyError } from "@understudy/runtime/errors";
import { styleOf, type Style } from "./render/style.ts";
import type { Surroundings } from "./surroundings.ts";

export type Format = "table" | "json";

export class Output {
  readonly style: Style;

  constructor(
    readonly format: Format,
    private readonly surroundings: Surroundings,
  ) {
    this.style = styleOf(surroundings);
  }

  /** The result of a command: its data, or the same data made readable. */
  show(data: unknown, render: (style: Style) => string): void {
    this.line(this.format === "json" ? JSON.stringify(data, undefined, 2) : render(this.style));
  }

  /** One element of an endless result; as JSON one line each. */
  showNext(data: unknown, render: (style: Style) => string): void {
    this.line(this.format === "json" ? JSON.stringify(data) : render(this.style));
  }

  line(text: string): void {
    this.surroundings.stdout.write(`${text}\n`);
  }

  /** Text to stdout as it is: control sequences of a terminal. */
  raw(text: string): void {
    this.surroundings.stdout.write(text);
  }

  /** Something a person should know while waiting. Scripts read stderr for the error only, so they get none. */
  note(text: string): void {
    if (this.format === "table") this.surroundings.stderr.write(`${this.style.colours.dim(text)}\n`);
  }

  fail(error: unknown): void {
    if (this.format === "json") {
      this.surroundings.stderr.write(`${JSON.stringify(errorData(error))}\n`);
      return;
    }
    const { colours } = this.style;
    const { message, faults } = errorData(error);
    // A message that came over the wire may name its faults already.
    const more = (faults ?? []).filter((fault) => !message.includes(fault));
    const lines = [`${colours.red("understudy:")} ${message}`, ...more.map((fault) => `  - ${fault}`)];
    this.surroundings.stderr.write(`${lines.join("\n")}\n`);
  }
}

interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly faults?: readonly string[];
}

function errorData(error: unknown): ErrorData {
  if (error instanceof UnderstudyError) {
    return { code: error.code, message: error.message, ...(error.faults && { faults: error.faults }) };
  }
  return { code: "internal", message: error instanceof Error ? error.message : String(error) };
}
