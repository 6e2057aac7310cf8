/**
 * From facts to the topology of a database. Pure.
 *
 * - The entry says who should be primary and who is in sync; a server's own answer says what it is; a keeper says what
 *   it is doing. Where they differ, the note of the member says so.
 * - A primary is named only while the entry is open and nothing speaks against it: without one, pools look themselves.
 * - A server of another database (system identifier) is nobody here, and one that answers as primary on a lower
 *   timeline than the entry's is a zombie: neither is ever named primary.
 */
import type { DatabaseEntry, DatabaseMember, DatabaseTopology, KeeperState } from "@understudy/contracts";
import { lagBytes } from "./log-position.ts";
import type { InstanceFacts, Sight, TopologyFacts } from "./topology-facts.ts";

interface Member {
  readonly id: string;
  readonly instance: InstanceFacts | undefined;
  readonly keeper: KeeperState | undefined;
}

interface Judgement {
  readonly role: DatabaseMember["role"];
  readonly state: DatabaseMember["state"];
  readonly notes: readonly string[];
}

export function topologyOf(facts: TopologyFacts): DatabaseTopology {
  const { lease, database, now } = facts;
  const entry = lease?.content;
  const members = membersOf(facts);
  const judged = members.map((member) => ({ member, judgement: judge(member, entry) }));
  const primary = entry === undefined ? onlyPrimary(judged) : openPrimary(entry, judged);
  const primarySight = members.find(({ id }) => id === primary);
  const written = primarySight?.instance?.sight?.position ?? primarySight?.keeper?.position;
  const timeline = Math.max(entry?.timeline ?? 0, (primarySight && timelineOf(primarySight)) ?? 0);
  return {
    database,
    term: lease?.term ?? 0,
    timeline,
    ...(primary !== undefined && { primary }),
    policy: entry?.policy ?? "available",
    phase: entry?.phase ?? (primary === undefined ? "promoting" : "open"),
    ...(entry?.degradedSince !== undefined && { degradedSince: entry.degradedSince }),
    ...(entry?.paused !== undefined && { paused: entry.paused }),
    members: judged.map((one) => memberOf(one.member, one.judgement, entry, written)),
    at: now,
  };
}

/** What pools and people act on: everything but positions and times, which change without meaning a change. */
export function essenceOf(topology: DatabaseTopology): string {
  const { at: _at, members, ...rest } = topology;
  return JSON.stringify({
    ...rest,
    members: members.map(({ id, role, state, timeline, inSync, note }) => [id, role, state, timeline, inSync, note]),
  });
}

/** Configured ones first, then whoever else is known. */
function membersOf({ instances, keepers, lease }: TopologyFacts): Member[] {
  const named = lease === undefined ? [] : [...lease.content.inSync, lease.content.primary];
  const ids = new Set([...instances.map(({ id }) => id), ...keepers.map(({ member }) => member), ...named]);
  return [...ids].map((id) => ({
    id,
    instance: instances.find((instance) => instance.id === id),
    keeper: keepers.find(({ member }) => member === id),
  }));
}

const timelineOf = ({ instance, keeper }: Member): number | undefined => instance?.sight?.timeline ?? keeper?.timeline;

function judge(member: Member, entry: DatabaseEntry | undefined): Judgement {
  const { instance, keeper } = member;
  const sight = instance?.sight;
  if (sight === undefined) return judgeUnseen(member);
  if (entry?.systemIdentifier !== undefined && sight.systemIdentifier !== entry.systemIdentifier) {
    return { role: "none", state: "failed", notes: ["a server of another database answers here"] };
  }
  if (sight.inRecovery) {
    return { role: "standby", state: standbyState(sight, keeper), notes: keeperNote(keeper) };
  }
  if (entry !== undefined && (sight.timeline ?? 0) < entry.timeline) {
    const note = `answers as primary on timeline ${sight.timeline}, older than ${entry.timeline}: a zombie`;
    return { role: "none", state: keeper?.state ?? "running", notes: [note, ...keeperNote(keeper)] };
  }
  if (entry !== undefined && member.id !== entry.primary) {
    return {
      role: "primary",
      state: keeper?.state ?? "running",
      notes: [`answers as primary, but the entry names ${entry.primary}`, ...keeperNote(keeper)],
    };
  }
  return { role: "primary", state: keeper?.state ?? "running", notes: keeperNote(keeper) };
}

/** The server does not answer us: its keeper may know why, or reach it where we do not. */
function judgeUnseen({ instance, keeper }: Member): Judgement {
  const reason = instance?.reason === undefined ? [] : [`no answer over SQL: ${instance.reason}`];
  if (keeper === undefined) return { role: "none", state: "unreachable", notes: reason };
  const serves = ["running", "streaming", "catching-up"].includes(keeper.state);
  return {
    role: keeper.role,
    state: keeper.state,
    notes: [...(serves ? reason : []), ...progressNote(keeper), ...keeperNote(keeper)],
  };
}

/** A keeper may say "starting" for a moment after its server streams; what the server says is newer. */
function standbyState(sight: Sight, keeper: KeeperState | undefined): DatabaseMember["state"] {
  if (keeper !== undefined && ["promoting", "fenced", "failed"].includes(keeper.state)) return keeper.state;
  return sight.streams ? "streaming" : "catching-up";
}

const keeperNote = (keeper: KeeperState | undefined): readonly string[] =>
  keeper?.note === undefined ? [] : [keeper.note];

function progressNote({ progress }: KeeperState): readonly string[] {
  if (progress === undefined || progress.totalBytes === 0) return [];
  return [`${Math.floor((100 * progress.doneBytes) / progress.totalBytes)} % copied`];
}

/** Named by the entry, which is open, and by nobody denied. */
function openPrimary(
  entry: DatabaseEntry,
  judged: readonly { readonly member: Member; readonly judgement: Judgement }[],
): string | undefined {
  if (entry.phase !== "open") return undefined;
  const found = judged.find(({ member }) => member.id === entry.primary);
  if (found?.judgement.role !== "primary") return undefined;
  const { sight } = found.member.instance ?? {};
  // Not seen by us: its keeper's word does, while it says that it runs.
  return sight !== undefined || found.judgement.state === "running" ? entry.primary : undefined;
}

/** Without an entry (an operator's own HA): the one primary on the highest timeline; two of them are none. */
function onlyPrimary(
  judged: readonly { readonly member: Member; readonly judgement: Judgement }[],
): string | undefined {
  const primaries = judged.filter(({ member }) => member.instance?.sight?.inRecovery === false);
  const highest = Math.max(...primaries.map(({ member }) => timelineOf(member) ?? 0));
  const newest = primaries.filter(({ member }) => (timelineOf(member) ?? 0) === highest);
  return newest.length === 1 ? newest[0]?.member.id : undefined;
}

function memberOf(
  member: Member,
  { role, state, notes }: Judgement,
  entry: DatabaseEntry | undefined,
  written: string | undefined,
): DatabaseMember {
  const { id, instance, keeper } = member;
  const timeline = timelineOf(member);
  const position = instance?.sight?.position ?? keeper?.position;
  const replayed = instance?.sight?.replayed ?? keeper?.replayed;
  const isStandby = role === "standby";
  return {
    id,
    ...(keeper && { machine: keeper.machine }),
    role,
    state,
    ...(timeline !== undefined && { timeline }),
    ...(position !== undefined && { position }),
    ...(isStandby && replayed !== undefined && { replayed }),
    ...(isStandby && position !== undefined && written !== undefined && { lagBytes: lagBytes(written, position) }),
    inSync: entry?.inSync.includes(id) ?? false,
    ...(notes.length > 0 && { note: notes.join("; ") }),
  };
}
