/**
 * PostgreSQL's control file (`global/pg_control`), read without a server: what a data folder is, before anything is
 * started on it. Layout: src/include/catalog/pg_control.h; these first fields are the same from version 13 to 18.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface ControlFile {
  /** As PostgreSQL prints it. */
  readonly systemIdentifier: string;
  readonly state:
    | "starting"
    | "shut-down"
    | "shut-down-in-recovery"
    | "shutting-down"
    | "crash-recovery"
    | "archive-recovery"
    | "in-production";
  /** Position of the latest checkpoint record: after an orderly end the last record of the log. */
  readonly checkpointAt: bigint;
  /** Of that checkpoint. The log may reach further, on a higher timeline. */
  readonly timeline: number;
}

const states: readonly ControlFile["state"][] = [
  "starting",
  "shut-down",
  "shut-down-in-recovery",
  "shutting-down",
  "crash-recovery",
  "archive-recovery",
  "in-production",
];

/** @throws Error when the bytes are no control file. */
export function parseControlFile(bytes: Buffer): ControlFile {
  if (bytes.length < 64) throw new Error("The control file is cut short.");
  const version = bytes.readUInt32LE(8);
  if (version < 1_300 || version > 1_900) throw new Error(`A control file of version ${version} is not known.`);
  const state = states[bytes.readInt32LE(16)];
  if (state === undefined) throw new Error("The control file holds a state that is not known.");
  return {
    systemIdentifier: bytes.readBigUInt64LE(0).toString(),
    state,
    checkpointAt: bytes.readBigUInt64LE(32),
    timeline: bytes.readUInt32LE(48),
  };
}

export interface DataFolder extends ControlFile {
  /** The highest timeline of which the folder has log: at least the control file's. */
  readonly newestTimeline: number;
  /** It starts as a standby. */
  readonly isStandby: boolean;
}

// No histories: a standby that cannot follow its primary's timeline has fetched its history all the same.
const segment = /^([0-9A-F]{8})[0-9A-F]{16}$/;

/** What lies in `dataDir`; undefined when there is no data. @throws Error when it cannot be read or is damaged. */
export function inspectDataFolder(dataDir: string): DataFolder | undefined {
  if (!existsSync(join(dataDir, "PG_VERSION"))) return undefined;
  const control = parseControlFile(readFileSync(join(dataDir, "global", "pg_control")));
  const timelines = readdirSync(join(dataDir, "pg_wal")).map((file) =>
    Number.parseInt(segment.exec(file)?.[1] ?? "0", 16),
  );
  return {
    ...control,
    newestTimeline: Math.max(control.timeline, ...timelines),
    isStandby: existsSync(join(dataDir, "standby.signal")),
  };
}

/** `16/B374D848` as a number. @throws SyntaxError */
export function parseLogPosition(text: string): bigint {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text);
  if (match === null) throw new SyntaxError(`${text} is not a position in the log.`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

export const formatLogPosition = (position: bigint): string =>
  `${(position >> 32n).toString(16).toUpperCase()}/${(position & 0xffffffffn).toString(16).toUpperCase()}`;
