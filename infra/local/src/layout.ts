/** Which machine runs what. Machines are simulated: all their processes run on this computer. */
import { CallerError } from "@understudy/runtime/errors";
import { name, type ProcessKind } from "@understudy/contracts";

/** What a machine can run; the links between machines (`network`) belong to none. */
export type MachineProcessKind = Exclude<ProcessKind, "network">;

export interface MachineLayout {
  /** `machine-a`: the part after the last hyphen ends the ids of its processes. */
  readonly id: string;
  readonly runs: readonly MachineProcessKind[];
}
export type Layout = readonly MachineLayout[];

/** docs/architecture.md, "The local cluster". */
export const standardLayout: Layout = [
  { id: "machine-a", runs: ["nats", "postgres", "message-server", "app-server", "heartbeat-monitor"] },
  { id: "machine-b", runs: ["nats", "message-server", "app-server", "load-balancer"] },
  { id: "machine-c", runs: ["nats", "app-server", "load-balancer", "heartbeat-monitor"] },
];

/** `nats` on `machine-a` is `nats-a`. */
export const processId = (kind: MachineProcessKind, machine: string): string =>
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
  if (counts("postgres") > 1) faults.push("more than one machine runs postgres");
  if (counts("postgres") === 0 && counts("message-server") + counts("app-server") > 0) {
    faults.push("message servers and app servers need a machine that runs postgres");
  }
  if (faults.length > 0)
    throw new CallerError("invalid-request", `The layout has faults: ${faults.join("; ")}.`, { faults });
}
