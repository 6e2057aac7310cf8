/** `db list`, `db pools`, `db in-doubt`: as patronictl shows members, and what pools did meanwhile. Pure. */
import type { DatabaseMember, DatabaseTopology, InDoubtCommit, PoolFigures } from "@understudy/contracts";
import { toned, type Style, type Tone } from "./style.ts";
import { renderTable } from "./table.ts";
import { duration, moment, size } from "./units.ts";

export function renderDatabases(databases: readonly DatabaseTopology[], now: number, style: Style): string {
  if (databases.length === 0) return "No database is watched.";
  return databases.map((database) => renderDatabase(database, now, style)).join("\n\n");
}

function renderDatabase(topology: DatabaseTopology, now: number, style: Style): string {
  const members = renderTable(
    style,
    [
      { title: "MEMBER" },
      { title: "MACHINE" },
      { title: "ROLE" },
      { title: "STATE" },
      { title: "TL", align: "right" },
      { title: "LAG", align: "right" },
      { title: "IN SYNC" },
      { title: "NOTE" },
    ],
    topology.members.map((member) => [
      member.id,
      member.machine ?? "",
      roleWords(member, style),
      toned(style, memberTone(member), member.state),
      String(member.timeline ?? ""),
      member.lagBytes === undefined ? "" : size(member.lagBytes),
      member.inSync ? "yes" : toned(style, "busy", "no"),
      member.note ?? "",
    ]),
  );
  return `${databaseLine(topology, now, style)}\n${members}`;
}

const roleWords = ({ role }: DatabaseMember, { colours }: Style): string =>
  role === "primary" ? colours.bold(role) : role === "none" ? "" : role;

export function memberTone({ role, state }: DatabaseMember): Tone {
  if (["unreachable", "failed", "fenced", "stopped"].includes(state)) return "bad";
  if ((role === "primary" && state === "running") || (role === "standby" && state === "streaming")) return "good";
  return "busy";
}

/** In a line: who takes writes, how protected the database is, what an operator wished. */
export function databaseLine(topology: DatabaseTopology, now: number, style: Style): string {
  const { bold, dim } = style.colours;
  const { database, primary, term, timeline, policy, degradedSince, paused, phase } = topology;
  const standbys = topology.members.filter(({ id, inSync }) => inSync && id !== primary).map(({ id }) => id);
  const parts = [
    primary === undefined
      ? `${bold(database)}: ${toned(style, "bad", phase === "open" ? "no primary" : `no primary (${phase})`)}`
      : `${bold(database)}: ${bold(primary)} is primary`,
    `term ${term}, timeline ${timeline}`,
    degradedSince === undefined
      ? `in sync: ${standbys.join(", ") || "nobody else"}`
      : toned(style, "bad", `degraded since ${moment(degradedSince, now)}: a failure now loses the service`),
    policy,
    ...(paused ? [toned(style, "busy", `paused since ${moment(paused.since, now)} (${paused.reason})`)] : []),
  ];
  return parts.join(dim(" · "));
}

export function renderPools(pools: readonly PoolFigures[], style: Style): string {
  if (pools.length === 0) return "No service with a pool was heard.";
  return renderTable(
    style,
    [
      { title: "INSTANCE" },
      { title: "DATABASE" },
      { title: "PRIMARY" },
      { title: "OPEN", align: "right" },
      { title: "IDLE", align: "right" },
      { title: "HELD", align: "right" },
      { title: "RETRIES", align: "right" },
      { title: "REPLAYS", align: "right" },
      { title: "COMMITTED", align: "right" },
      { title: "NOT", align: "right" },
      { title: "UNKNOWN", align: "right" },
      { title: "WITHOUT PRIMARY", align: "right" },
    ],
    pools.map((pool) => [
      pool.instance.id,
      pool.database,
      pool.primary ?? toned(style, "bad", "none"),
      String(pool.open),
      String(pool.idle),
      pool.held > 0 ? toned(style, "busy", String(pool.held)) : "0",
      String(pool.retries),
      String(pool.replays),
      String(pool.resolvedCommitted),
      String(pool.resolvedNotCommitted),
      pool.unresolved > 0 ? toned(style, "bad", String(pool.unresolved)) : "0",
      duration(Math.round(pool.withoutPrimaryMs)),
    ]),
  );
}

const outcomes: Readonly<Record<InDoubtCommit["outcome"], { readonly words: string; readonly tone: Tone }>> = {
  open: { words: "being resolved", tone: "busy" },
  committed: { words: "committed", tone: "good" },
  "not-committed": { words: "not committed", tone: "good" },
  unknown: { words: "unknown", tone: "bad" },
};

/** Oldest first, as a log reads. */
export function renderInDoubt(commits: readonly InDoubtCommit[], now: number, style: Style): string {
  if (commits.length === 0) return "No commit was in doubt.";
  return renderTable(
    style,
    [
      { title: "SINCE" },
      { title: "INSTANCE" },
      { title: "DATABASE" },
      { title: "OPERATION" },
      { title: "ATTEMPT", align: "right" },
      { title: "OUTCOME" },
      { title: "AFTER", align: "right" },
    ],
    commits.map(({ since, instance, database, operation, attempt, outcome, endedAt }) => [
      moment(since, now),
      instance.id,
      database,
      operation,
      String(attempt),
      toned(style, outcomes[outcome].tone, outcomes[outcome].words),
      duration((endedAt ?? now) - since),
    ]),
  );
}
