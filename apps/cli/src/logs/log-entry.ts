/**
 * One line of a process's log, whatever wrote it: our services (pino's JSON), nats-server, PostgreSQL, or anything
 * else that was said on stdout. Pure.
 */

export const levels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
export type Level = (typeof levels)[number];

export interface LogEntry {
  /** Wall clock in milliseconds; absent when the line names no time. */
  readonly at?: number;
  readonly level: Level;
  readonly id: string;
  readonly message: string;
  /** What else the line says. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export const atLeast = (entry: LogEntry, level: Level): boolean => levels.indexOf(entry.level) >= levels.indexOf(level);

// What every line of a service repeats about itself, and what we show in a place of its own.
const known = new Set(["time", "level", "msg", "id", "service", "machine", "pid", "hostname", "cluster", "site"]);

export function parseLogLine(line: string, id: string): LogEntry {
  return parseJson(line, id) ?? parseNats(line, id) ?? parsePostgres(line, id) ?? plain(line, id);
}

const plain = (line: string, id: string): LogEntry => ({ level: "info", id, message: line, fields: {} });

const pinoLevels: Readonly<Record<number, Level>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

function parseJson(line: string, id: string): LogEntry | undefined {
  if (!line.startsWith("{")) return undefined;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { time, level, msg, postgres } = value;
  // A db-keeper writes down what its PostgreSQL says.
  if (typeof postgres === "string" && typeof msg === "string") {
    const said = parsePostgres(msg, postgres);
    if (said !== undefined) return said;
    id = postgres;
  }
  const at = typeof time === "number" ? time : typeof time === "string" ? Date.parse(time) : Number.NaN;
  const named = levels.find((one) => one === level);
  return {
    ...(!Number.isNaN(at) && { at }),
    level: (typeof level === "number" ? pinoLevels[level] : named) ?? "info",
    id,
    message: typeof msg === "string" ? msg : "",
    fields: Object.fromEntries(Object.entries(value).filter(([key]) => !known.has(key))),
  };
}

const natsLine = /^\[\d+\] (\d{4})\/(\d\d)\/(\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) \[(TRC|DBG|INF|WRN|ERR|FTL)\] (.*)$/;
const natsLevels: Readonly<Record<string, Level>> = {
  TRC: "trace",
  DBG: "debug",
  INF: "info",
  WRN: "warn",
  ERR: "error",
  FTL: "fatal",
};

/** nats-server writes local time. */
function parseNats(line: string, id: string): LogEntry | undefined {
  const match = natsLine.exec(line);
  if (match === null) return undefined;
  const [, year, month, day, time = "", level = "", message = ""] = match;
  const at = Date.parse(`${year}-${month}-${day}T${time.slice(0, 12)}`);
  return { at, level: natsLevels[level] ?? "info", id, message, fields: {} };
}

// As `log_line_prefix` and `log_timezone` are set: UTC.
const postgresLine =
  /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?) (?:UTC|GMT) \[\d+\] (?:.*? )??(DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT): {1,2}(.*)$/;
const postgresLevels: Readonly<Record<string, Level>> = {
  WARNING: "warn",
  ERROR: "error",
  FATAL: "error",
  PANIC: "fatal",
};

function parsePostgres(line: string, id: string): LogEntry | undefined {
  const match = postgresLine.exec(line);
  if (match === null) return undefined;
  const [, day, time, level = "", message = ""] = match;
  const shown = ["DETAIL", "HINT", "CONTEXT", "STATEMENT"].includes(level) ? `${level}: ${message}` : message;
  const found = level.startsWith("DEBUG") ? "debug" : postgresLevels[level];
  return { at: Date.parse(`${day}T${time}Z`), level: found ?? "info", id, message: shown, fields: {} };
}

/** Sorted by time; a line without one (the rest of a stack trace) stays behind the line before it. */
export function inOrderOfTime(files: readonly (readonly LogEntry[])[]): LogEntry[] {
  const placed = files.flatMap((entries) => {
    let last = 0;
    return entries.map((entry) => {
      last = entry.at ?? last;
      return { entry, at: last };
    });
  });
  // Stable: what has the same time keeps its order within its file.
  return placed.sort((one, other) => one.at - other.at).map(({ entry }) => entry);
}
