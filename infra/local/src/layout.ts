/** Which machine runs what. Machines are simulated: all their processes run on this computer. */
import { CallerError } from "@understudy/runtime/errors";
import { name, type ProcessKind } from "@understudy/contracts";

/** What a machine can run; the links between machines (`network`) belong to none. A db-keeper brings its PostgreSQL. */
export type MachineProcessKind = Exclude<ProcessKind, "network" | "postgres">;

export interface MachineLayout {
  /** `machine-a`: the part after the last hyphen ends the ids of its processes. */
  readonly id: string;
  readonly runs: readonly MachineProcessKind[];
}
export type Layout = readonly MachineLayout[];

/** docs/architecture.md, "The local cluster". */
export const standardLayout: Layout = [
  { id: "machine-a", runs: ["nats", "db-keeper", "db-pool", "message-server", "app-server", "heartbeat-monitor"] },
  { id: "machine-b", runs: ["nats", "db-keeper", "message-server", "app-server", "load-balancer"] },
  { id: "machine-c", runs: ["nats", "db-pool", "app-server", "load-balancer", "heartbeat-monitor"] },
];

/** `nats` on `machine-a` is `nats-a`. */
export const processId = (kind: MachineProcessKind | "postgres", machine: string): string =>
  `${kind}-${machine.slice(machine.lastIndexOf("-") + 1)}`;

/** @throws CallerError listing every fault. */
export function checkLayout(layout: Layout): void {
  const faults: string[] = [];
  const ids = layout.flatMap(({ id, runs }) => runs.map((kind) => processId(kind, id)));
  const doubled = [...ids, ...layout.map(({ id }) => id)].filter((id, index, all) => all.indexOf(id) !== index);
  for (const id of new Set(doubled)) faults.push(`${id} stands twice in the layout`);
  for (const { id, runs } of layout) {
    if (!name.safeParse(id).success || !id.includes("-")) faults.push(`${id}: a machine is named like machine-a`);
    if (runs.length === 0) faults.push(`${id} runs nothing`);
  }
  const counts = (kind: MachineProcessKind) => layout.filter(({ runs }) => runs.includes(kind)).length;
  if (counts("nats") === 0) faults.push("no machine runs nats");
  const databaseUsers = (["message-server", "app-server", "db-pool"] as const).filter((kind) => counts(kind) > 0);
  if (counts("db-keeper") === 0 && databaseUsers.length > 0) {
    faults.push(`${databaseUsers.join(", ")}: needs a machine that runs db-keeper`);
  }
  if (faults.length > 0)
    throw new CallerError("invalid-request", `The layout has faults: ${faults.join("; ")}.`, { faults });
}
