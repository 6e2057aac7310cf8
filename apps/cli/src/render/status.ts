/** `status`, as JSON data and as text. Pure. */
import type { ClusterStatus, DatabaseStatus, RunFile } from "@understudy/contracts";
import { databaseLine } from "./databases.ts";
import { standings, type Standing } from "./standing.ts";
import { toned, type Style } from "./style.ts";
import { renderTable } from "./table.ts";
import { duration, moment, percent, size } from "./units.ts";

export interface StatusFacts {
  readonly now: number;
  readonly run: RunFile | undefined;
  /** Absent when no message server answered. */
  readonly status: ClusterStatus | undefined;
  /** Absent when no db-pool answered. */
  readonly databases?: DatabaseStatus | undefined;
}

/** What scripts get. Fields are added, never renamed; `leader` is null while no message server answers. */
export function statusData({ run, status, databases }: StatusFacts): object {
  return {
    cluster: run?.cluster ?? status?.instances[0]?.instance.cluster ?? null,
    urls: run?.urls ?? null,
    leader: status?.leader ?? null,
    roles: status?.roles ?? null,
    termInDatabase: status?.termInDatabase ?? null,
    settingsVersion: status?.settingsVersion ?? null,
    appServers: status?.appServers ?? [],
    instances: status?.instances ?? [],
    databases: databases?.databases ?? [],
    machines: run?.machines ?? [],
    processes: run?.processes ?? [],
  };
}

export function renderStatus(facts: StatusFacts, style: Style): string {
  const rows = standings(facts.run, facts.status, facts.databases);
  return [...headline(facts, rows, style), "", instanceTable(facts, rows, style)].join("\n");
}

function headline(facts: StatusFacts, rows: readonly Standing[], style: Style): string[] {
  const { run, status, now } = facts;
  const { bold, dim } = style.colours;
  const title = [
    bold(run?.cluster ?? status?.instances[0]?.instance.cluster ?? "cluster"),
    ...(run ? [run.urls.loadBalancer, `up for ${duration(now - Date.parse(run.startedAt))}`] : []),
  ].join(dim(" · "));
  const lines = [`${title}   ${verdict(facts, rows, style)}`];
  if (status === undefined) {
    lines.push(`${label("message server")}${toned(style, "bad", "none answers")} (a takeover, or none runs)`);
  } else lines.push(...leaderLines(status, now, style));
  lines.push(...databaseLines(facts, style));
  const cut = (run?.machines ?? []).filter((machine) => machine.cut).map(({ id }) => id);
  if (cut.length > 0) lines.push(`${label("cut off")}${toned(style, "bad", cut.join(", "))}`);
  return lines;
}

function leaderLines(
  { leader, roles, termInDatabase, settingsVersion }: ClusterStatus,
  now: number,
  style: Style,
): string[] {
  const { bold, dim } = style.colours;
  const { id } = leader.holder;
  const database = termInDatabase ? "(in the database)" : toned(style, "busy", "(not in the database yet)");
  // While a new leader takes over, the roles may still be those of its predecessor.
  const since = roles.messageServer === id ? `since ${moment(Date.parse(roles.since), now)}` : "taking over";
  const alternates = roles.alternates.filter((other) => other !== id).join(", ");
  return [
    `${label("message server")}${bold(id)} leads${dim(" · ")}term ${leader.term} ${database}${dim(" · ")}${since}`,
    `${label("alternates")}${alternates || toned(style, "bad", "none: a failure now finds no understudy")}`,
    `${label("configuration")}version ${settingsVersion}`,
  ];
}

function databaseLines({ run, databases, now }: StatusFacts, style: Style): string[] {
  if (databases !== undefined) {
    return databases.databases.map((topology) => `${label("database")}${databaseLine(topology, now, style)}`);
  }
  const hasService = run?.processes.some(({ kind }) => kind === "db-pool") === true;
  return hasService ? [`${label("database")}${toned(style, "busy", "no db-pool answers")}`] : [];
}

const label = (text: string): string => text.padEnd(16);

function verdict(facts: StatusFacts, rows: readonly Standing[], style: Style): string {
  const away = (facts.databases?.databases ?? []).filter(({ primary }) => primary === undefined).length;
  const bad = rows.filter(({ tone }) => tone === "bad").length + (facts.status === undefined ? 1 : 0) + away;
  const busy = rows.filter(({ tone }) => tone === "busy").length;
  const cut = (facts.run?.machines ?? []).some((machine) => machine.cut);
  if (bad > 0 || cut) {
    return toned(style, "bad", `● ${bad > 0 ? `${bad} ${bad === 1 ? "part" : "parts"} down` : "a machine is cut off"}`);
  }
  if (busy > 0) return toned(style, "busy", `● ${busy} ${busy === 1 ? "part" : "parts"} not ready`);
  return toned(style, "good", "● all well");
}

function instanceTable(facts: StatusFacts, rows: readonly Standing[], style: Style): string {
  const cut = new Set((facts.run?.machines ?? []).filter((machine) => machine.cut).map(({ id }) => id));
  const machines = new Set((facts.run?.machines ?? []).map(({ id }) => id));
  const columns = [
    { title: "ID" },
    { title: "MACHINE" },
    { title: "STATE" },
    { title: "BEAT", align: "right" },
    { title: "LOAD", align: "right" },
    { title: "CPU", align: "right" },
    { title: "MEMORY", align: "right" },
    { title: "LAG", align: "right" },
    { title: "RESTARTS", align: "right" },
  ] as const;
  return renderTable(
    style,
    columns,
    rows.map(({ id, machine, words, tone, process, instance }) => [
      id,
      machines.size > 0 && !machines.has(machine)
        ? ""
        : cut.has(machine)
          ? toned(style, "bad", `${machine} (cut)`)
          : machine,
      toned(style, tone, words),
      ...figures(instance, process === undefined || process.state === "running"),
      process ? String(process.restarts || "") : "",
    ]),
  );
}

/** Figures of a process that does not run now are those of its former life. */
function figures(instance: Standing["instance"], isRunning: boolean): string[] {
  if (instance === undefined) return ["", "", "", "", ""];
  const beat = duration(instance.lastBeatMs);
  if (!isRunning) return [beat, "", "", "", ""];
  const { load, cpu, residentBytes, eventLoopLagMs } = instance;
  return [beat, String(load), percent(cpu), size(residentBytes), duration(Math.round(eventLoopLagMs))];
}
