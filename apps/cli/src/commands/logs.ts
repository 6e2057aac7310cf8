import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { RunFile } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime/errors";
import { pause } from "@understudy/runtime/wait";
import { machineIds, unknownName } from "../access/targets.ts";
import type { CommandContext } from "../command-context.ts";
import { atLeast, inOrderOfTime, levels, parseLogLine, type Level, type LogEntry } from "../logs/log-entry.ts";
import { LogFile } from "../logs/log-file.ts";
import { logData, renderLogEntry } from "../render/log-line.ts";
import { parseDuration } from "../render/units.ts";

const lookEveryMs = 200;
const suffix = ".log";

export interface LogsOptions {
  readonly follow?: boolean;
  readonly level: string;
  readonly since?: string;
  readonly lines: string;
}

export async function logs(context: CommandContext, names: readonly string[], options: LogsOptions): Promise<void> {
  const cluster = context.cluster();
  const run = cluster.run();
  const folder = join(cluster.stateFolder ?? ".", "logs");
  const since = options.since === undefined ? undefined : parseSince(options.since, Date.now());
  const most = parseLines(options.lines);
  const level = levels.find((one) => one === options.level) ?? "info";
  const files = new Map<string, LogFile>();
  const ids = new Set(await chooseIds(folder, names, run));
  for (const id of ids) files.set(writerOf(id, run), fileOf(folder, writerOf(id, run)));

  // Of a keeper's file that is read for its PostgreSQL alone, only the lines of that.
  const isShown = ({ id }: LogEntry) => ids.has(id) || ids.has(writerOf(id, run));
  const isWanted = (entry: LogEntry) => atLeast(entry, level) && isShown(entry);
  const read = await Promise.all(
    [...files.values()].map(async (file) => {
      const parse = (line: string) => parseLogLine(line, file.id);
      const lines = await file.readTail((tail) =>
        since === undefined
          ? tail.filter((line) => isWanted(parse(line))).length >= most
          : tail.map(parse).some(({ at }) => at !== undefined && at < since),
      );
      return afterTime(lines.map(parse), since).filter(isWanted);
    }),
  );
  const entries = inOrderOfTime(read);
  show(context, since === undefined ? entries.slice(-most) : entries);
  if (options.follow) await follow(context, folder, names, files, names.length === 0 ? atLevel(level) : isWanted);
}

async function follow(
  context: CommandContext,
  folder: string,
  names: readonly string[],
  files: Map<string, LogFile>,
  isWanted: (entry: LogEntry) => boolean,
): Promise<void> {
  while (!context.signal.aborted) {
    // A process that starts for the first time brings a new file.
    if (names.length === 0) {
      for (const id of await idsIn(folder)) if (!files.has(id)) files.set(id, fileOf(folder, id));
    }
    const fresh = await Promise.all(
      [...files.values()].map(async (file) =>
        (await file.readNew()).map((line) => parseLogLine(line, file.id)).filter(isWanted),
      ),
    );
    show(context, inOrderOfTime(fresh));
    await pause(lookEveryMs, context.signal);
  }
}

const atLevel = (level: Level) => (entry: LogEntry) => atLeast(entry, level);

/** Whose file has what this process says: of a PostgreSQL its keeper's. */
function writerOf(id: string, run: RunFile): string {
  const process = run.processes.find((one) => one.id === id);
  if (process?.kind !== "postgres") return id;
  return run.processes.find(({ kind, machine }) => kind === "db-keeper" && machine === process.machine)?.id ?? id;
}

function show(context: CommandContext, entries: readonly LogEntry[]): void {
  const now = Date.now();
  for (const entry of entries) context.output.showNext(logData(entry), (style) => renderLogEntry(entry, now, style));
}

const fileOf = (folder: string, id: string): LogFile => new LogFile(id, join(folder, `${id}${suffix}`));

async function idsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
}

/** Process ids and machines, to the ids whose logs are meant. */
async function chooseIds(folder: string, names: readonly string[], run: RunFile): Promise<string[]> {
  const present = await idsIn(folder);
  if (names.length === 0) return present;
  const known = [...new Set([...run.processes.map(({ id }) => id), ...present])];
  const machines = machineIds(run);
  return [
    ...new Set(
      names.flatMap((name) => {
        if (known.includes(name)) return [name];
        if (machines.includes(name)) return run.processes.filter(({ machine }) => machine === name).map(({ id }) => id);
        throw unknownName("process or machine", name, [...known, ...machines]);
      }),
    ),
  ];
}

/** From the first line whose time is `since` or later; lines without a time belong to the line before. */
function afterTime(entries: readonly LogEntry[], since: number | undefined): readonly LogEntry[] {
  if (since === undefined) return entries;
  const first = entries.findIndex(({ at }) => at !== undefined && at >= since);
  return first === -1 ? [] : entries.slice(first);
}

export function parseSince(text: string, now: number): number {
  const back = parseDuration(text);
  if (back !== undefined) return now - back;
  const at = Date.parse(text);
  if (!Number.isNaN(at)) return at;
  throw new CallerError(
    "invalid-request",
    `--since "${text}" is neither a duration (5m, 2h) nor a time (2026-01-31T12:00:00Z).`,
  );
}

function parseLines(text: string): number {
  const lines = Number(text);
  if (Number.isInteger(lines) && lines > 0) return lines;
  throw new CallerError("invalid-request", `--lines "${text}" is no whole number from 1.`);
}
