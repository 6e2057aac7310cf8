/**
 * Who may take a database's lease, and what its entry says then: pure, asked by the elector about the very entry that
 * it would swap (D2).
 *
 *   D1  only a member in `inSync` takes it
 *   D3  where commits wait for some of several standbys, enough of them have stopped receiving, and it is the furthest;
 *       a takeover records in the same swap that the new primary is alone, before it can commit anything
 */
import type { DatabaseEntry, DatabasePolicy } from "@understudy/contracts";
import type { DataFacts } from "./facts.ts";
import { confirmationsNeeded, promotionVerdict, type Confirmation, type Quorum } from "./promotion-quorum.ts";

export interface Candidate {
  readonly member: string;
  readonly members: readonly string[];
  readonly policy: DatabasePolicy;
  readonly data: DataFacts;
  /** PostgreSQL runs here, answers, and as what. */
  readonly runsAs: "primary" | "standby" | "nothing";
  /** It was not told to stay down, does not stop, and did not fail to start again and again. */
  readonly isFit: boolean;
  /** The member from whose PostgreSQL this one's receives at this moment: that one lives, whatever its keeper does. */
  readonly hearsFrom: string | undefined;
  /** The newest timeline that each other member's keeper told of its data (0: it has none); absent: not heard. */
  readonly timelinesOfOthers: Readonly<Record<string, number>>;
  /** Who receives nothing any more, itself included, as far as it has asked. */
  readonly confirmations: readonly Confirmation[];
}

export interface SeenEntry {
  readonly entry: DatabaseEntry;
  readonly revision: number;
  readonly isReleased: boolean;
  /** Whom a released lease is meant for, where it was given to somebody on purpose: this candidate? */
  readonly isMeantForMe: boolean;
}

/** So many of the standbys in sync have each commit that was acknowledged. */
export const synchronousOf = ({ inSync, synchronous }: DatabaseEntry): number =>
  Math.min(synchronous ?? Infinity, Math.max(0, inSync.length - 1));

const quorumOf = (entry: DatabaseEntry): Quorum => ({
  count: synchronousOf(entry),
  standbys: entry.inSync.filter((member) => member !== entry.primary),
});

/** @param seen undefined: there is no entry; "foreign": there is one that is none of this database. */
export function mayTake(seen: SeenEntry | "foreign" | undefined, candidate: Candidate): boolean {
  if (!isCandidate(seen, candidate)) return false;
  if (!needsConfirmations(seen, candidate)) return true;
  const verdict = promotionVerdict(quorumOf(seen.entry), candidate.confirmations, seen.revision);
  return verdict.kind === "promote" && verdict.members.includes(candidate.member);
}

/** Whether this candidate, which may try, must ask the other standbys first (D3). */
export function needsConfirmations(seen: SeenEntry | "foreign" | undefined, { member }: Candidate): seen is SeenEntry {
  if (seen === undefined || seen === "foreign") return false;
  const { entry } = seen;
  return entry.phase !== "initialising" && entry.primary !== member && confirmationsNeeded(quorumOf(entry)) > 1;
}

/** All but what other standbys have to say. */
export function isCandidate(seen: SeenEntry | "foreign" | undefined, candidate: Candidate): boolean {
  if (!candidate.isFit || seen === "foreign") return false;
  const { member, data } = candidate;
  if (seen === undefined) return mayBegin(candidate);
  const { entry } = seen;
  if (entry.phase === "initialising") return entry.primary === member;
  // D1
  if (!entry.inSync.includes(member)) return false;
  if (data.kind !== "present" || data.systemIdentifier !== entry.systemIdentifier) return false;
  const isOwn = entry.primary === member;
  if (entry.paused !== undefined && !isOwn && !seen.isMeantForMe) return false;
  // Silence or a hint about a keeper whose PostgreSQL is heard is a failure of messages, not of the database.
  if (!isOwn && !seen.isReleased && candidate.hearsFrom === entry.primary) return false;
  // A timeline below the entry's is the data of an older life: a stale copy, whoever is named in the entry.
  // Above it: promoted by nobody that the entry knows, unless it was this member, killed before it could record it.
  if (data.timeline < entry.timeline || (data.timeline > entry.timeline && !isOwn)) return false;
  // What was told to be in sync proves it by running; the primary's own data is the measure itself.
  return isOwn || candidate.runsAs === "standby";
}

/** Without any entry: only one member may begin, so that there are never two databases of one name. */
function mayBegin({ member, members, data, timelinesOfOthers }: Candidate): boolean {
  const others = members.filter((other) => other !== member);
  if (data.kind === "none") {
    // Whoever has data adopts it; a new database beside it would be a loss.
    return member === members[0] && others.every((other) => (timelinesOfOthers[other] ?? 0) === 0);
  }
  // Data, but no entry: somebody removed the entry, or the data is older than the cluster. Adopted only when all have
  // been heard and this is the newest, and never a standby's: it may lack commits.
  if (data.kind !== "present" || data.isStandby) return false;
  return others.every((other) => {
    const timeline = timelinesOfOthers[other];
    if (timeline === undefined) return false;
    return timeline < data.timeline || (timeline === data.timeline && members.indexOf(member) < members.indexOf(other));
  });
}

/** The entry of a term that this candidate takes, in place of `seen`. */
export function entryOnTaking(
  seen: SeenEntry | undefined,
  candidate: Candidate,
  database: string,
  wallClock: number,
): DatabaseEntry {
  const { member, policy, data, members } = candidate;
  if (seen === undefined) {
    const isAdopted = data.kind === "present";
    return {
      database,
      policy,
      inSync: [member],
      phase: "initialising",
      primary: member,
      timeline: isAdopted ? data.timeline : 0,
      ...(isAdopted && { systemIdentifier: data.systemIdentifier }),
    };
  }
  const { entry } = seen;
  if (entry.phase === "initialising") return entry;
  if (entry.primary === member) {
    // Its own again. Whoever was in sync still has every acknowledged commit, since PostgreSQL goes on waiting for it.
    const goesOn = entry.phase === "open" && candidate.runsAs === "primary" && !seen.isReleased;
    return { ...entry, phase: goesOn ? "open" : "promoting" };
  }
  const isLoss = entry.policy === "available" && members.length > 1;
  return {
    ...withInSync(entry, [member], 0),
    primary: member,
    phase: "promoting",
    ...(isLoss && { degradedSince: entry.degradedSince ?? wallClock }), // D3
  };
}

/** The primary is writable. */
export function opened(entry: DatabaseEntry, timeline: number, systemIdentifier: string): DatabaseEntry {
  return { ...entry, phase: "open", timeline, systemIdentifier };
}

function withInSync(entry: DatabaseEntry, inSync: readonly string[], count: number): DatabaseEntry {
  const { synchronous: _synchronous, ...rest } = entry;
  return { ...rest, inSync: [...inSync], ...(count < inSync.length - 1 && { synchronous: count }) };
}

const degraded = (entry: DatabaseEntry, wallClock: number): DatabaseEntry =>
  synchronousOf(entry) > 0 ? entry : { ...entry, degradedSince: entry.degradedSince ?? wallClock };

/**
 * D3: recorded before PostgreSQL stops waiting for it. Each commit is on `count` of the others then: on one less than
 * before, since it may have been one of those, unless PostgreSQL made sure of more.
 */
export function withoutStandby(
  entry: DatabaseEntry,
  member: string,
  wallClock: number,
  count = Math.max(0, synchronousOf(entry) - 1),
): DatabaseEntry {
  const inSync = entry.inSync.filter((other) => other !== member);
  return degraded(withInSync(entry, inSync, count), wallClock);
}

/** D2: recorded after PostgreSQL waits for it as well and it has everything. */
export function withStandby(entry: DatabaseEntry, member: string): DatabaseEntry {
  const { degradedSince: _degradedSince, ...rest } = entry;
  return withInSync(rest, [...new Set([...entry.inSync, member])], synchronousOf(entry) + 1);
}

/** D2: fewer before PostgreSQL waits for fewer; more once it waits for more and so many have everything. */
export function withSynchronous(entry: DatabaseEntry, count: number): DatabaseEntry {
  const { degradedSince: _degradedSince, ...rest } = entry;
  return withInSync(count > 0 ? rest : entry, entry.inSync, count);
}
