/**
 * What a keeper does next: a pure function from facts to one step. The steps are small, each leaves the world in a
 * state from which a keeper that starts anew goes on, and after each the facts are gathered again.
 *
 *   D1  only what the entry names as in sync is ever promoted: the elector asks `mayTake` before there is a term
 *   D2  a standby leaves the entry before PostgreSQL stops waiting for it, and joins PostgreSQL before the entry
 *   D3  alone only after that was recorded
 *   D4  a primary of an older term is killed before anything else; clients are let in after a crash only when what
 *       recovery brought up is on the standbys that commits wait for
 */
import type { DatabaseEntry } from "@understudy/contracts";
import type { SynchronousStandbys } from "@understudy/engines";
import { synchronousOf } from "./entry-rules.ts";
import type { KeeperFacts, KeeperTiming, LeaseFacts, PostgresFacts } from "./facts.ts";

export type KeeperPlan =
  | { readonly do: "nothing"; readonly why: string }
  /** At once, the whole process tree: nothing of an older term may go on. */
  | { readonly do: "kill"; readonly why: string }
  /** Makes the data where there is none, and in it the keepers' role and the database, before clients can reach it. */
  | { readonly do: "initialise" }
  | { readonly do: "start-primary"; readonly access: "open" | "closed"; readonly waitsFor: SynchronousStandbys }
  | { readonly do: "start-standby"; readonly upstream: string | undefined; readonly waitsFor: SynchronousStandbys }
  | { readonly do: "follow"; readonly upstream: string }
  | { readonly do: "promote" }
  /** In place of the data that is there, if any. */
  | { readonly do: "clone"; readonly from: string; readonly why: string }
  /** Whether the own data is a part of the primary's history: found out from its timeline's history. */
  | { readonly do: "compare-history"; readonly to: string }
  | { readonly do: "open-clients" }
  | { readonly do: "set-waits"; readonly waitsFor: SynchronousStandbys }
  | { readonly do: "record-open"; readonly timeline: number; readonly systemIdentifier: string }
  | { readonly do: "record-timeline"; readonly timeline: number }
  /** Each commit is on `synchronous` of the standbys that are left. */
  | { readonly do: "record-without"; readonly member: string; readonly synchronous: number }
  | { readonly do: "record-synchronous"; readonly synchronous: number }
  | { readonly do: "record-with"; readonly member: string }
  | { readonly do: "hand-over"; readonly to: string; readonly why: string };

type Running = Extract<PostgresFacts, { kind: "running" }>;
type Stopped = Extract<PostgresFacts, { kind: "stopped" }>;

const nothing = (why: string): KeeperPlan => ({ do: "nothing", why });

export function keeperStep(facts: KeeperFacts, timing: KeeperTiming): KeeperPlan {
  const { lease, postgres } = facts;
  const fence = reasonToFence(facts, timing);
  if (fence !== undefined) return { do: "kill", why: fence };
  if (postgres.kind === "running" && postgres.unansweredMs >= timing.frozenMs)
    return { do: "kill", why: `it has not answered for ${Math.round(postgres.unansweredMs)} ms` };
  if (lease === undefined)
    return nothing(facts.isLeaseKnown ? "nobody has an entry yet" : "the entry is not known yet");
  if (lease.holder === "me" && !lease.isReleased)
    return facts.isLeading ? asPrimary(facts, lease, timing) : nothing("the lease is ours, but cannot be renewed now");
  if (lease.holder === "former-self" || lease.entry.primary === facts.member)
    return nothing("the lease of this member's earlier life waits for its new holder");
  return asStandby(facts, lease, timing);
}

/** D4. Only what is, or may become, a primary can do harm. */
function reasonToFence(facts: KeeperFacts, timing: KeeperTiming): string | undefined {
  const { postgres, lease, primaryTerm } = facts;
  const isPrimary =
    postgres.kind !== "stopped" &&
    (postgres.role === "primary" || (postgres.kind === "running" && postgres.isPromoting));
  if (!isPrimary || lease === undefined) return undefined;
  if (lease.holder !== "me") return `term ${lease.term} belongs to ${lease.entry.primary}`;
  if (lease.isReleased) return `term ${lease.term} was given away`;
  if (lease.term < primaryTerm) return `it was made primary in term ${primaryTerm}, which is not ours`;
  // Nobody can have been promoted while it is alone in sync, or while all who are still stream from it.
  if (facts.unledMs < timing.unledMostMs || postgres.kind !== "running") return undefined;
  const others = lease.entry.inSync.filter((other) => other !== facts.member);
  const streams = (other: string) =>
    postgres.standbys.some(({ member, isStreaming }) => member === other && isStreaming);
  return others.every(streams) ? undefined : "without NATS, and without a standby that still streams from it";
}

/** What commits must wait for under this entry, and with `joining` on its way in. */
export function waitsOf(
  entry: DatabaseEntry,
  member: string,
  members: readonly string[],
  joining?: string,
): SynchronousStandbys {
  const { inSync, policy } = entry;
  const standbys = [...new Set(joining === undefined ? inSync : [...inSync, joining])]
    .filter((other) => other !== member)
    .sort();
  // A newcomer is waited for beside the others: what is on `count` of them is on one more then.
  const count = Math.min(standbys.length, synchronousOf(entry) + Number(joining !== undefined));
  if (count > 0) return { count, standbys };
  if (policy === "available") return { count: 0, standbys: [] };
  // D3, strict: nothing commits alone, whoever comes first.
  return { count: 1, standbys: members.filter((other) => other !== member).sort() };
}

const same = (one: SynchronousStandbys, other: SynchronousStandbys): boolean =>
  (one.standbys.length === 0 && other.standbys.length === 0) ||
  (one.count === other.count && one.standbys.join() === other.standbys.join());

/** Whether whatever satisfies `strong` satisfies `weak` too: any `count` of its standbys have enough of the weak one's. */
const covers = (strong: SynchronousStandbys, weak: SynchronousStandbys): boolean =>
  weak.count === 0 ||
  strong.count - strong.standbys.filter((member) => !weak.standbys.includes(member)).length >= weak.count;

function asPrimary(facts: KeeperFacts, lease: LeaseFacts, timing: KeeperTiming): KeeperPlan {
  const { postgres, data, member, members } = facts;
  const { entry } = lease;
  const required = waitsOf(entry, member, members);
  if (postgres.kind === "starting") return nothing("PostgreSQL starts");
  if (postgres.kind === "stopped") {
    // Once: nobody took it in time when it is ours again, in a later term.
    const successor = lease.term === facts.primaryTerm ? successorOf(postgres, entry, member) : undefined;
    if (successor !== undefined) return { do: "hand-over", to: successor, why: "PostgreSQL ended" };
    if (facts.isHeld) return nothing("it is to stay down");
    if (data.kind === "damaged") return nothing(`its data is unusable: ${data.reason}`);
    if (entry.phase === "initialising" && !facts.isPrepared) return { do: "initialise" };
    if (data.kind === "none") return nothing("its data is gone");
    if (data.isStandby) return { do: "start-standby", upstream: undefined, waitsFor: required };
    // D4: what recovery brings up may never have been acknowledged. A new database has nothing of that kind.
    const access = required.standbys.length === 0 || entry.phase === "initialising" ? "open" : "closed";
    return { do: "start-primary", access, waitsFor: required };
  }
  if (postgres.role === "standby") {
    if (postgres.isPromoting) return nothing("it is being promoted");
    // In force before the first commit.
    return same(postgres.waitsFor, required) ? { do: "promote" } : { do: "set-waits", waitsFor: required };
  }
  if (!covers(postgres.waitsFor, required)) return { do: "set-waits", waitsFor: required };
  const change = redundancy(facts, postgres, entry, timing);
  if (change !== undefined && postgres.access === "closed") return change;
  // Standbys need to know where they stand even while clients are kept out for their sake.
  if (postgres.access === "closed" && entry.timeline !== postgres.timeline && entry.phase !== "initialising")
    return { do: "record-timeline", timeline: postgres.timeline };
  if (postgres.access === "closed")
    return isReplicated(postgres) ? { do: "open-clients" } : nothing("what recovery brought up is not replicated yet");
  if (entry.phase !== "open" || entry.timeline !== postgres.timeline)
    return { do: "record-open", timeline: postgres.timeline, systemIdentifier: postgres.systemIdentifier };
  return change ?? nothing("it is primary");
}

/** A crashed PostgreSQL's place is taken at once by a standby that streamed to the last and is in sync (D1). */
function successorOf(postgres: Stopped, entry: DatabaseEntry, member: string): string | undefined {
  if (postgres.end !== "crash" || entry.paused !== undefined) return undefined;
  return postgres.streamingAtEnd.find((other) => other !== member && entry.inSync.includes(other));
}

function isReplicated({ waitsFor, standbys, recoveredTo }: Running): boolean {
  const have = waitsFor.standbys.filter((name) =>
    standbys.some(({ member, flushedAt }) => member === name && flushedAt >= recoveredTo),
  );
  return have.length >= waitsFor.count;
}

/** The next change of who is in sync; one at a time, so that each is a step of its own. */
function redundancy(
  { member, members, synchronousMost }: KeeperFacts,
  postgres: Running,
  entry: DatabaseEntry,
  timing: KeeperTiming,
): KeeperPlan | undefined {
  const others = entry.inSync.filter((other) => other !== member);
  const streams = (name: string) => postgres.standbys.some((each) => each.member === name && each.isStreaming);
  const lost = others.find((other) => (postgres.missingMs[other] ?? 0) >= timing.standbyLostMs);
  // strict: the last one stays in the entry, since nothing commits without it and so it has everything (D3).
  const count = synchronousOf(entry);
  const flushed = (members: readonly string[]) =>
    members.filter((name) => {
      const { joinPosition, standbys } = postgres;
      const found = standbys.find((each) => each.member === name);
      return joinPosition !== undefined && found !== undefined && found.flushedAt >= joinPosition;
    }).length;
  if (
    lost !== undefined &&
    (entry.policy === "available" || others.some((other) => other !== lost && streams(other)))
  ) {
    const left = others.filter((other) => other !== lost).sort();
    // Enough others are there: each commit is made sure to be on as many of them, and nothing weaker is ever recorded.
    if (count > 0 && left.filter(streams).length >= count) {
      const wanted = { count, standbys: left };
      if (!same(postgres.waitsFor, wanted)) return { do: "set-waits", waitsFor: wanted };
      return flushed(left) >= count ? { do: "record-without", member: lost, synchronous: count } : undefined;
    }
    return { do: "record-without", member: lost, synchronous: Math.max(0, count - 1) }; // D2: out of the entry first
  }
  const joining = postgres.standbys.find(
    ({ member: name, isStreaming }) => isStreaming && members.includes(name) && !entry.inSync.includes(name),
  );
  if (joining !== undefined && entry.phase === "open") {
    const wanted = waitsOf(entry, member, members, joining.member);
    if (!same(postgres.waitsFor, wanted)) return { do: "set-waits", waitsFor: wanted }; // D2: into PostgreSQL first
    if (
      joining.isSynchronous &&
      postgres.joinPosition !== undefined &&
      joining.flushedAt >= postgres.joinPosition // D2: flushed beyond a position taken afterwards
    )
      return { do: "record-with", member: joining.member };
    return undefined;
  }
  const target = Math.min(synchronousMost ?? Infinity, others.length);
  if (count > target) return { do: "record-synchronous", synchronous: target }; // D2: less in the entry first
  if (count < target && others.filter(streams).length >= target) {
    const wanted = { count: target, standbys: others.sort() };
    if (!same(postgres.waitsFor, wanted)) return { do: "set-waits", waitsFor: wanted }; // D2: more in PostgreSQL first
    return flushed(others) >= target ? { do: "record-synchronous", synchronous: target } : undefined;
  }
  const required = waitsOf(entry, member, members);
  return same(postgres.waitsFor, required) ? undefined : { do: "set-waits", waitsFor: required };
}

function asStandby(facts: KeeperFacts, { entry, revision }: LeaseFacts, timing: KeeperTiming): KeeperPlan {
  const { postgres, data, member, members, canFollow, stoppedAt } = facts;
  // D3: somebody may count on it that it receives nothing until the lease is another one.
  const isStopped = stoppedAt !== undefined && revision <= stoppedAt;
  const { primary } = entry;
  const required = waitsOf({ ...entry, inSync: [member] }, member, members);
  if (!members.includes(primary)) return nothing(`the primary ${primary} is none of the configured members`);
  if (postgres.kind === "starting") return nothing("PostgreSQL starts");
  if (postgres.kind === "running") {
    if (isStopped) return nothing("it has promised a candidate to receive nothing until the lease changes");
    if (postgres.upstream !== primary) return { do: "follow", upstream: primary };
    if (!same(postgres.waitsFor, required)) return { do: "set-waits", waitsFor: required };
    // Its data may be the only other copy as long as the entry counts on it.
    const isSpare = !entry.inSync.includes(member);
    if (isSpare && postgres.notStreamingMs >= timing.cannotFollowMs)
      return { do: "clone", from: primary, why: "it cannot stream from the primary" };
    return nothing("it follows the primary");
  }
  if (facts.isHeld) return nothing("it is to stay down");
  if (entry.phase === "initialising") return nothing("the primary is being initialised");
  if (data.kind === "none" || data.kind === "damaged")
    return { do: "clone", from: primary, why: data.kind === "none" ? "it has no data" : data.reason };
  if (data.systemIdentifier !== entry.systemIdentifier)
    return nothing(
      `its data is another database (system identifier ${data.systemIdentifier}); move it away to have it cloned`,
    );
  if (data.timeline <= entry.timeline) {
    if (data.isStandby && (postgres.failedStarts < 3 || entry.inSync.includes(member)))
      return { do: "start-standby", upstream: isStopped ? undefined : primary, waitsFor: required };
    // A former primary that ended in order may be a part of the new one's past.
    if (!data.isStandby && data.isCleanlyShutDown && data.timeline < entry.timeline && postgres.failedStarts < 3) {
      if (canFollow === undefined) return { do: "compare-history", to: primary };
      if (canFollow) return { do: "start-standby", upstream: primary, waitsFor: required };
    }
  }
  // Its promotion makes a timeline of which this data may turn out to be a part.
  if (entry.phase !== "open" && data.timeline === entry.timeline) return nothing("the primary is not open yet");
  return entry.inSync.includes(member) && data.isStandby
    ? nothing("its data does not fit the entry, which counts on it: see the log")
    : { do: "clone", from: primary, why: "its data has parted from the primary's" };
}
