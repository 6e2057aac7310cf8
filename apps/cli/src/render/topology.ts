/** `topology`: machines and what runs on each, as data and as a tree. Pure. */
import type { ClusterStatus } from "@understudy/contracts";
import { standings, type Standing } from "./standing.ts";
import type { StatusFacts } from "./status.ts";
import { toned, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { withoutPassword } from "./units.ts";

interface TopologyProcess {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly pid: number | null;
  readonly url: string | null;
  readonly opsUrl: string | null;
}

export interface Topology {
  readonly cluster: string | null;
  readonly entry: string | null;
  readonly leader: ClusterStatus["leader"] | null;
  readonly alternates: readonly string[];
  readonly machines: readonly {
    readonly id: string;
    readonly cut: boolean;
    readonly processes: readonly TopologyProcess[];
  }[];
  readonly nats: readonly { readonly id: string; readonly machine: string; readonly url: string }[];
  readonly databases: readonly {
    readonly name: string;
    readonly primary: string | null;
    readonly instances: readonly { readonly id: string; readonly url: string; readonly role: string | null }[];
  }[];
}

export function topologyOf({ run, status, databases }: StatusFacts): Topology {
  const rows = standings(run, status, databases);
  const machines = new Set([
    ...(run?.machines ?? []).map(({ id }) => id).sort(),
    ...rows.map(({ machine }) => machine).sort(),
  ]);
  return {
    cluster: run?.cluster ?? status?.instances[0]?.instance.cluster ?? null,
    entry: run?.urls.loadBalancer ?? null,
    leader: status?.leader ?? null,
    alternates: (status?.roles.alternates ?? []).filter((id) => id !== status?.leader.holder.id),
    machines: [...machines].map((id) => ({
      id,
      cut: run?.machines.find((machine) => machine.id === id)?.cut ?? false,
      processes: rows.filter(({ machine }) => machine === id).map((row) => processOf(row, run, status)),
    })),
    nats: (run?.nats ?? []).map(({ id, machine, url }) => ({ id, machine, url })),
    databases: (run?.databases ?? []).map(({ name, instances }) => {
      const known = databases?.databases.find(({ database }) => database === name);
      return {
        name,
        primary: known?.primary ?? null,
        instances: instances.map(({ id, url }) => ({
          id,
          url: withoutPassword(url),
          role: known?.members.find((member) => member.id === id)?.role ?? null,
        })),
      };
    }),
  };
}

function processOf(row: Standing, run: StatusFacts["run"], status: StatusFacts["status"]): TopologyProcess {
  const url =
    row.process?.url ??
    run?.nats.find(({ id }) => id === row.id)?.url ??
    run?.databases.flatMap(({ instances }) => instances).find(({ id }) => id === row.id)?.url ??
    status?.appServers.find(({ instance }) => instance.id === row.id)?.url ??
    null;
  return {
    id: row.id,
    kind: row.kind,
    state: row.words,
    pid: row.process?.pid ?? null,
    url: url === null ? null : withoutPassword(url),
    opsUrl: row.process?.opsUrl ?? null,
  };
}

export function renderTopology(facts: StatusFacts, style: Style): string {
  const topology = topologyOf(facts);
  const tones = new Map(standings(facts.run, facts.status, facts.databases).map(({ id, tone }) => [id, tone]));
  const { bold, dim, red } = style.colours;
  const rows: string[][] = [];
  for (const machine of topology.machines) {
    const isMachine = facts.run === undefined || facts.run.machines.some(({ id }) => id === machine.id);
    rows.push([bold(isMachine ? machine.id : "between machines") + (machine.cut ? red(" (cut off)") : ""), "", "", ""]);
    for (const [at, process] of machine.processes.entries()) {
      const branch = dim(at === machine.processes.length - 1 ? "└─ " : "├─ ");
      rows.push([
        `${branch}${process.id}`,
        toned(style, tones.get(process.id) ?? "quiet", process.state),
        process.pid === null ? "" : String(process.pid),
        process.url ?? process.opsUrl ?? "",
      ]);
    }
  }
  const leads = topology.leader
    ? `${bold(topology.leader.holder.id)} leads (term ${topology.leader.term}), alternates: ${topology.alternates.join(", ") || "none"}`
    : red("none answers");
  return [
    `${bold(topology.cluster ?? "cluster")}${topology.entry ? `${dim(" · ")}${topology.entry}` : ""}`,
    `message server  ${leads}`,
    ...topology.databases.map(
      ({ name, primary, instances }) =>
        `database        ${name} on ${instances.map(({ id }) => id).join(", ")}` +
        (primary === null ? "" : `; ${bold(primary)} is primary`),
    ),
    "",
    renderTable(
      style,
      [{ title: "MACHINE, PROCESS" }, { title: "STATE" }, { title: "PID", align: "right" }, { title: "URL" }],
      rows,
    ),
  ].join("\n");
}
