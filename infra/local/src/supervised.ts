/** What the supervisor can do with whatever it lists: a process of its own, or an engine that one of these runs. */
import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { ProcessKind } from "@understudy/contracts";
import type { LogFile } from "./log-file.ts";

export interface ProgramPlace {
  readonly id: string;
  readonly kind: ProcessKind;
  readonly machine: string;
  /** Whether it starts processes of its own, which then get each signal too. */
  readonly startsOthers: boolean;
}

export type ProcessState =
  | { readonly kind: "stopped"; readonly reason: "not-started" | "asked" | "configuration" }
  | { readonly kind: "starting"; readonly pid: number | null; readonly startedAt: number }
  | { readonly kind: "running"; readonly pid: number; readonly startedAt: number }
  | { readonly kind: "frozen"; readonly pid: number; readonly startedAt: number; readonly was: "starting" | "running" }
  /** Killed or asked to end; its exit is awaited. */
  | { readonly kind: "ending"; readonly pid: number; readonly startedAt: number; readonly by: "kill" | "stop" }
  | { readonly kind: "waiting"; readonly waitMs: number };

/** The state in which `state` would stand still; undefined where there is nothing to freeze. */
export const frozen = (state: ProcessState): ProcessState | undefined =>
  (state.kind === "running" || state.kind === "starting") && state.pid !== null
    ? { kind: "frozen", pid: state.pid, startedAt: state.startedAt, was: state.kind }
    : undefined;

/** The state in which a frozen one goes on; undefined where it is not frozen. */
export const thawed = (state: ProcessState): ProcessState | undefined =>
  state.kind === "frozen" ? { kind: state.was, pid: state.pid, startedAt: state.startedAt } : undefined;

export interface ProcessEnding {
  /** Absent when it could not even be started. */
  readonly pid: number | undefined;
  /** Both null: it is gone, and nobody saw how. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly wasAsked: boolean;
  /** Why, in the process's own words; empty when it was asked or said nothing. */
  readonly lastWords: string;
}

export interface ProcessEvents {
  state: [ProcessState];
  spawned: [number];
  ended: [ProcessEnding];
  message: [unknown];
}

export interface Supervised extends EventEmitter<ProcessEvents> {
  readonly id: string;
  readonly program: ProgramPlace;
  readonly log: LogFile;
  readonly state: ProcessState;
  readonly pid: number | null;
  /** Starts after the first. */
  readonly restarts: number;
  /** Why its last life ended, in its own words. */
  readonly lastWords: string;
  /** Starts it if it is down or waiting; true when that was so. */
  start(): boolean;
  /** kill -9, with all that it started. With `stay` it is not started again by itself. True when that changed something. */
  kill(stay: boolean): boolean;
  freeze(): boolean;
  thaw(): boolean;
  /** Asks it to end and waits for that; kills it after `timeoutMs`. It stays down. */
  stop(timeoutMs: number): Promise<void>;
  /** Resolves at the end of the child that lives now; when none does, as soon as no start is being prepared. */
  ended(): Promise<void>;
  /** False when there is nobody to tell. Never throws: the channel may break at any time. */
  send(message: object, socket?: Socket): boolean;
}
