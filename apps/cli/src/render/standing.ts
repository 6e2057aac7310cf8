/**
 * How each part of the cluster stands, in a word or two: what its supervisor knows (run.json) and what the message
 * server knows (its status), brought together. Pure; both sources may be missing.
 */
import type { ClusterStatus, DatabaseStatus, RunFile } from "@understudy/contracts";
import { memberTone } from "./databases.ts";
import type { Tone } from "./style.ts";

type Process = RunFile["processes"][number];
type Instance = ClusterStatus["instances"][number];

export interface Standing {
  readonly id: string;
  readonly kind: string;
  readonly machine: string;
  readonly words: string;
  readonly tone: Tone;
  readonly process?: Process;
  readonly instance?: Instance;
}

const kinds = [
  "message-server",
  "load-balancer",
  "app-server",
  "db-keeper",
  "postgres",
  "db-pool",
  "heartbeat-monitor",
  "nats",
  "network",
];

/** All parts, those of one kind together, kinds in the order in which an operator looks. */
export function standings(
  run: RunFile | undefined,
  status: ClusterStatus | undefined,
  databases?: DatabaseStatus,
): Standing[] {
  const ids = new Set([
    ...(run?.processes ?? []).map(({ id }) => id),
    ...(status?.instances ?? []).map(({ instance }) => instance.id),
    ...(status?.appServers ?? []).map(serverId),
  ]);
  return [...ids]
    .map((id) => standingOf(id, run, status, databases))
    .sort((one, other) => kinds.indexOf(one.kind) - kinds.indexOf(other.kind) || one.id.localeCompare(other.id));
}

function standingOf(
  id: string,
  run: RunFile | undefined,
  status: ClusterStatus | undefined,
  databases: DatabaseStatus | undefined,
): Standing {
  const process = run?.processes.find((one) => one.id === id);
  const instance = status?.instances.find((one) => one.instance.id === id);
  const server = status?.appServers.find((one) => serverId(one) === id);
  const kind = process?.kind ?? instance?.instance.kind ?? "app-server";
  return {
    id,
    kind,
    machine: process?.machine ?? instance?.instance.machine ?? server?.instance.machine ?? "",
    ...(judgedBySupervisor(process) ?? judgedByDatabase(id, databases) ?? judged(id, kind, instance, status)),
    ...(process && { process }),
    ...(instance && { instance }),
  };
}

const serverId = (server: ClusterStatus["appServers"][number]): string => server.instance.id;

interface Judgement {
  readonly words: string;
  readonly tone: Tone;
}

function judged(
  id: string,
  kind: string,
  instance: Instance | undefined,
  status: ClusterStatus | undefined,
): Judgement {
  return (
    judgedByBeats(instance) ??
    (kind === "message-server" ? judgedAsMessageServer(id, status) : undefined) ??
    (kind === "app-server" ? judgedAsAppServer(id, status) : undefined) ??
    judgedByReadiness(kind, instance, status)
  );
}

/** The supervisor knows first when a process is not there or cannot run. */
function judgedBySupervisor(process: Process | undefined): Judgement | undefined {
  switch (process?.state) {
    case "frozen":
      return { words: "frozen", tone: "bad" };
    case "stopped":
      return { words: "down (stays)", tone: "bad" };
    case "waiting":
      return { words: "down, restarts soon", tone: "bad" };
    case "starting":
      return { words: "starting", tone: "busy" };
    case "running":
    case undefined:
      return undefined;
  }
}

/** A PostgreSQL instance, by the topology of its database. */
function judgedByDatabase(id: string, databases: DatabaseStatus | undefined): Judgement | undefined {
  const members = databases?.databases.flatMap((database) => database.members);
  const member = members?.find((one) => one.id === id);
  if (member === undefined) return undefined;
  const { role, state, inSync } = member;
  const tone = memberTone(member);
  if (role === "none") return { words: state, tone };
  if (tone !== "good") return { words: `${role}, ${state}`, tone };
  if (role === "primary") return { words: "primary", tone };
  return inSync ? { words: "standby, in sync", tone } : { words: "standby, not in sync", tone: "busy" };
}

function judgedByBeats(instance: Instance | undefined): Judgement | undefined {
  switch (instance?.verdict) {
    case "suspect":
      return { words: "suspect", tone: "busy" };
    case "silent":
      return { words: "silent", tone: "bad" };
    case "lost":
      return { words: "lost", tone: "bad" };
    case "alive":
    case undefined:
      return undefined;
  }
}

function judgedAsMessageServer(id: string, status: ClusterStatus | undefined): Judgement | undefined {
  if (status === undefined) return undefined;
  if (status.leader.holder.id === id) return { words: `leads (term ${status.leader.term})`, tone: "good" };
  if (status.roles.alternates.includes(id)) return { words: "alternate", tone: "good" };
  return { words: "no role", tone: "busy" };
}

function judgedAsAppServer(id: string, status: ClusterStatus | undefined): Judgement | undefined {
  if (status === undefined) return undefined;
  const state = status.appServers.find((server) => serverId(server) === id)?.state;
  if (state === undefined) return { words: "not accepted yet", tone: "busy" };
  const tones: Readonly<Record<typeof state, Tone>> = {
    accepting: "good",
    suspect: "busy",
    draining: "busy",
    lost: "bad",
    left: "bad",
  };
  return { words: state, tone: tones[state] };
}

function judgedByReadiness(kind: string, instance: Instance | undefined, status: ClusterStatus | undefined): Judgement {
  if (instance !== undefined) {
    return instance.ready ? { words: "ready", tone: "good" } : { words: "not ready", tone: "busy" };
  }
  // NATS, PostgreSQL and the network send no beats.
  if (["nats", "postgres", "network"].includes(kind)) return { words: "running", tone: "good" };
  return status === undefined ? { words: "running", tone: "quiet" } : { words: "running, no beat", tone: "busy" };
}
