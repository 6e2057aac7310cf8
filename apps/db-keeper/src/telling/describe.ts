/** The keeper's state in the words of its contract. */
import type { KeeperState } from "@understudy/contracts";
import { formatLogPosition } from "@understudy/engines";
import type { Identity } from "@understudy/runtime";
import type { DataFacts, PostgresFacts } from "../decision/facts.ts";
import type { Observation } from "../postgres/observation.ts";

export interface Described {
  readonly identity: Identity;
  readonly database: string;
  readonly member: string;
  readonly term: number;
  readonly postgres: PostgresFacts;
  readonly data: DataFacts;
  readonly seen: Observation | undefined;
  readonly cloning: { readonly doneBytes: number; readonly totalBytes: number } | undefined;
  readonly isCloning: boolean;
  readonly isInitialising: boolean;
  readonly why: string;
}

function stateOf({ postgres, isCloning, isInitialising, seen, data }: Described): KeeperState["state"] {
  if (isCloning) return "cloning";
  if (isInitialising) return "initialising";
  if (postgres.kind === "stopped")
    return data.kind === "damaged" || postgres.end === "crash" || postgres.failedStarts >= 3 ? "failed" : "stopped";
  if (postgres.kind === "starting") return "starting";
  if (postgres.isPromoting) return "promoting";
  if (postgres.role === "primary") return postgres.access === "open" ? "running" : "starting";
  return seen?.isReceiving === true ? "streaming" : "catching-up";
}

export function describeKeeper(facts: Described): KeeperState {
  const { identity, database, member, term, postgres, data, seen, cloning, why } = facts;
  const isRunning = postgres.kind === "running";
  const timeline = isRunning ? postgres.timeline : data.kind === "present" ? data.timeline : 0;
  return {
    keeper: identity.ref,
    machine: identity.machine,
    database,
    member,
    role: isRunning ? postgres.role : "none",
    state: stateOf(facts),
    term,
    timeline,
    ...(isRunning && seen && { position: formatLogPosition(seen.position) }),
    ...(isRunning && seen?.replayed !== undefined && { replayed: formatLogPosition(seen.replayed) }),
    ...(cloning && { progress: cloning }),
    ...(!isRunning && { note: why }),
    at: Date.now(),
  };
}
