import type { Level, LogEntry } from "../logs/log-entry.ts";
import type { Style } from "./style.ts";
import { moment } from "./units.ts";

const idColours = ["cyan", "magenta", "blue", "green", "yellow"] as const;

/** The same id always has the same colour. */
function colourOf(id: string): (typeof idColours)[number] {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9_973;
  return idColours[sum % idColours.length] ?? "cyan";
}

const idWidth = 19;

export function renderLogEntry(entry: LogEntry, now: number, style: Style): string {
  const { colours } = style;
  const time = entry.at === undefined ? " ".repeat(12) : moment(entry.at, now);
  const levelColours: Readonly<Record<Level, (text: string) => string>> = {
    trace: colours.dim,
    debug: colours.dim,
    info: String,
    warn: colours.yellow,
    error: colours.red,
    fatal: (text) => colours.bold(colours.red(text)),
  };
  const fields = Object.entries(entry.fields).map(([key, value]) => fieldText(key, value));
  const short = fields.filter((text) => !text.includes("\n"));
  const long = fields.filter((text) => text.includes("\n"));
  const head = [
    colours.dim(time),
    levelColours[entry.level](entry.level.toUpperCase().padEnd(5)),
    colours[colourOf(entry.id)](entry.id.padEnd(idWidth)),
    entry.message,
    ...short.map((text) => colours.dim(text)),
  ].join(" ");
  return [head.trimEnd(), ...long.map((text) => colours.dim(`    ${text.replaceAll("\n", "\n    ")}`))].join("\n");
}

function fieldText(key: string, value: unknown): string {
  // An error as pino writes it; its stack begins with its message.
  if (typeof value === "object" && value !== null && "stack" in value && typeof value.stack === "string") {
    return `${key}: ${value.stack}\n`.trimEnd();
  }
  return `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`;
}

/** What scripts get: one object for each line. */
export function logData(entry: LogEntry): object {
  return {
    time: entry.at === undefined ? null : new Date(entry.at).toISOString(),
    level: entry.level,
    id: entry.id,
    message: entry.message,
    ...(Object.keys(entry.fields).length > 0 && { fields: entry.fields }),
  };
}
