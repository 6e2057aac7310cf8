/**
 * Who leads a role: the pure core. It owns the state of one candidate and decides; it has no clock, no timers and no
 * I/O. `Elector` feeds it events and carries out the actions it returns.
 *
 * States
 *   following   somebody else leads, or nobody; `seen` is the last lease observed, `unchangedSince` when (own clock)
 *   acquiring   a compare-and-swap for a new term is under way
 *   leading     holds the term; acts until `actsUntil`, renews in time
 *   releasing   gave the lease away, no longer acts; waits for the store's answer
 *   stopped
 *
 * Invariants
 *   L1  only a successful swap makes a leader; what is read only chooses the revision to swap from
 *   L2  a new term is higher than the lease's and than the floor known from PostgreSQL
 *   L3  `actsUntil` counts from the start of the swap that succeeded; silence counts from an observation
 *   L4  hints shorten the wait for silence and are otherwise powerless
 *   L8  after a pause of the own process, `mayAct` is false until a swap begun after it has succeeded
 */
import type { Evidence } from "@understudy/contracts";
import {
  following,
  type Acquiring,
  type Cause,
  type ElectionAction,
  type ElectionEvent,
  type ElectionSetting,
  type ElectionState,
  type Following,
  type Leading,
  type Releasing,
  type Step,
} from "./election-state.ts";
import { isHeldBy, type Lease, type SeenLease } from "./lease.ts";

const stay = (state: ElectionState, ...actions: ElectionAction[]): Step => ({ state, actions });

/** Carries the election on by one event. Total: an event that does not fit the state changes nothing. */
export function electionStep(state: ElectionState, event: ElectionEvent, setting: ElectionSetting): Step {
  if (event.kind === "stop") {
    return state.kind === "leading"
      ? stay({ kind: "stopped" }, { kind: "lose", held: state.held, reason: "stopped" })
      : stay({ kind: "stopped" });
  }
  switch (state.kind) {
    case "following":
      return whileFollowing(state, event, setting);
    case "acquiring":
      return whileAcquiring(state, event, setting);
    case "leading":
      return whileLeading(state, event, setting);
    case "releasing":
      return whileReleasing(state, event, setting);
    case "stopped":
      return stay(state);
  }
}

const isNewer = (seen: SeenLease | undefined, known: SeenLease | undefined): seen is SeenLease =>
  seen !== undefined && (known === undefined || seen.revision > known.revision);

function whileFollowing(state: Following, event: ElectionEvent, setting: ElectionSetting): Step {
  const { now } = setting;
  switch (event.kind) {
    case "observed": {
      if (event.seen !== undefined && !isNewer(event.seen, state.seen)) {
        return reconsider({ ...state, reading: false }, setting);
      }
      // An empty read never unsees a lease: it may come from a replica that lags behind.
      const seen = event.seen ?? state.seen;
      const holderStays = seen !== undefined && state.hint?.holder === seen.lease.holder.incarnation;
      const changed = isNewer(event.seen, state.seen);
      return reconsider(
        {
          kind: "following",
          seen,
          unchangedSince: changed ? now : state.unchangedSince,
          hint: holderStays ? state.hint : undefined,
          reading: false,
          unanswered: changed && !isHeldBy(seen, setting.me) ? undefined : state.unanswered,
        },
        setting,
      );
    }
    case "hint":
      return reconsider({ ...state, hint: { holder: event.holder, at: now, evidence: event.evidence } }, setting);
    case "holder-alive":
      return state.hint?.holder === event.holder ? stay({ ...state, hint: undefined }) : stay(state);
    case "tick":
      return reconsider(state, setting);
    default:
      return stay(state);
  }
}

/** Why this candidate may try for the lease now; undefined when it may not. */
function reasonToTry(state: Following, setting: ElectionSetting): Cause | undefined {
  const { seen, hint } = state;
  const { me, now, timing, wallClock } = setting;
  const own = (kind: Evidence["kind"], detail?: string): Cause => ({
    evidence: [{ kind, at: wallClock, observer: me.id, ...(detail !== undefined && { detail }) }],
    predecessor: seen,
  });
  if (seen === undefined) return own("first-start");
  if (isHeldBy(seen, me) && seen.lease.status === "held") {
    // A swap of ours whose answer was lost, or a lease that we could not renew: ours to confirm, by a swap (L1).
    return state.unanswered ?? own("lease-expired", "it could not renew its own lease in time");
  }
  if (seen.lease.status === "released") {
    // Whoever gave it away takes it back only when nobody else wanted it.
    const isMeant = !isHeldBy(seen, me) && (seen.lease.handTo === undefined || seen.lease.handTo === me.id);
    return isMeant || now - state.unchangedSince >= timing.handOverMs
      ? own("hand-over", `from ${seen.lease.holder.id}`)
      : undefined;
  }
  if (hint !== undefined && hint.holder === seen.lease.holder.incarnation && now - hint.at <= timing.hintMs) {
    return { evidence: hint.evidence, predecessor: seen }; // L4
  }
  if (now - state.unchangedSince >= timing.silenceMs) {
    return own("lease-expired", `not renewed for ${Math.round(now - state.unchangedSince)} ms`); // L3
  }
  return undefined;
}

function reconsider(state: Following, setting: ElectionSetting): Step {
  if (state.reading) return stay(state);
  const cause = reasonToTry(state, setting);
  // Asked only of a lease that there is a reason to take: a candidate may have to do something for its answer.
  return cause === undefined || !setting.isEligible(state.seen) ? stay(state) : acquire(state, cause, setting);
}

function acquire(state: Following, cause: Cause, setting: ElectionSetting): Step {
  const { seen } = state;
  const { me, now, role, nextSwap } = setting;
  const next: Lease = {
    role,
    term: Math.max(seen?.lease.term ?? 0, setting.termFloor) + 1, // L2
    holder: { id: me.id, incarnation: me.incarnation, machine: me.machine },
    status: "held",
    renewal: 0,
    since: new Date(setting.wallClock).toISOString(),
    ...contentOf(seen, setting),
  };
  return stay(
    {
      kind: "acquiring",
      seen,
      unchangedSince: state.unchangedSince,
      hint: state.hint,
      swap: { id: nextSwap, startedAt: now, lease: next },
      cause,
      lastTickAt: now,
    },
    { kind: "swap", id: nextSwap, expectedRevision: seen?.revision ?? 0, lease: next },
  );
}

/** In the same swap as the term, so that nobody acts on half of it (D2). */
function contentOf(
  seen: SeenLease | undefined,
  { contentFor }: ElectionSetting,
): Pick<Lease, "content" | "contentVersion"> {
  if (contentFor === undefined) return {};
  return { content: contentFor(seen), contentVersion: (seen?.lease.contentVersion ?? 0) + 1 };
}

function whileAcquiring(state: Acquiring, event: ElectionEvent, setting: ElectionSetting): Step {
  const { now, timing } = setting;
  switch (event.kind) {
    case "swapped": {
      if (event.swap !== state.swap.id) return stay(state);
      const held = { lease: state.swap.lease, revision: event.revision };
      // The answer was slower than the news that somebody took the lease from us again.
      if (isNewer(state.seen, held)) return stay(following(state.seen, state.unchangedSince, false));
      if (hasPaused(state, setting)) {
        // L8: somebody may have taken it meanwhile. Not proven by this swap, so once more, under a new term.
        return acquire(following(held, now, false), state.cause, setting);
      }
      return stay(
        {
          kind: "leading",
          held,
          actsUntil: state.swap.startedAt + timing.actForMs, // L3: from the start of the attempt
          renewedAt: state.swap.startedAt,
          renewal: undefined,
          wish: undefined,
          lastTickAt: now,
          suspendedAt: undefined,
        },
        { kind: "lead", held, ...state.cause },
      );
    }
    case "swap-refused":
    case "swap-unknown":
      if (event.swap !== state.swap.id) return stay(state);
      // Somebody else was faster, or nobody knows: read, then think again.
      return stay(
        {
          kind: "following",
          seen: state.seen,
          unchangedSince: state.unchangedSince,
          hint: state.hint,
          reading: true,
          unanswered: event.kind === "swap-unknown" ? state.cause : undefined,
        },
        { kind: "read" },
      );
    case "observed":
      if (!isNewer(event.seen, state.seen)) return stay(state);
      return stay({ ...state, seen: event.seen, unchangedSince: now });
    case "hint":
      return stay({ ...state, hint: { holder: event.holder, at: now, evidence: event.evidence } });
    case "holder-alive":
      return state.hint?.holder === event.holder ? stay({ ...state, hint: undefined }) : stay(state);
    case "tick":
      // After a pause the last tick stays where it was: this try stays tainted.
      return hasPaused(state, setting) ? stay(state) : stay({ ...state, lastTickAt: now });
    default:
      return stay(state);
  }
}

const hasPaused = (state: Acquiring | Leading, { now, timing }: ElectionSetting): boolean =>
  now - state.lastTickAt > timing.pauseToleranceMs;

function whileLeading(state: Leading, event: ElectionEvent, setting: ElectionSetting): Step {
  const { now, timing, me } = setting;
  const lose = (seen: SeenLease | undefined, reason: string, reading = false): Step =>
    stay(
      following(seen ?? state.held, now, reading),
      { kind: "lose", held: state.held, reason },
      ...(reading ? [{ kind: "read" } as const] : []),
    );
  const renew = (current: Leading): Step => {
    const { wish } = current;
    const next: Lease = {
      ...current.held.lease,
      ...(wish !== undefined && { content: wish.content, contentVersion: wish.version }),
      renewal: current.held.lease.renewal + 1,
    };
    return stay(
      { ...current, renewal: { id: setting.nextSwap, startedAt: now, lease: next } },
      { kind: "swap", id: setting.nextSwap, expectedRevision: current.held.revision, lease: next },
    );
  };
  switch (event.kind) {
    case "observed": {
      const { seen } = event;
      if (seen === undefined || seen.revision <= state.held.revision) return stay(state);
      if (!isHeldBy(seen, me) || seen.lease.term !== state.held.lease.term) {
        return lose(seen, `term ${seen.lease.term} is held by ${seen.lease.holder.id}`);
      }
      // A renewal of ours whose answer is late or was lost: go on from its revision, but its start is not proven to
      // us by an answer, so `actsUntil` stays.
      const current: Leading = { ...state, held: seen, wish: stillWished(state, seen.lease) };
      return current.wish !== undefined && state.renewal === undefined ? renew(current) : stay(current);
    }
    case "change": {
      const current: Leading = { ...state, wish: { content: event.content, version: event.version } };
      return state.renewal === undefined ? renew(current) : stay(current);
    }
    case "tick": {
      const suspendedAt = hasPaused(state, setting) ? now : state.suspendedAt;
      const current: Leading = { ...state, lastTickAt: now, suspendedAt };
      if (now >= state.actsUntil) return lose(undefined, "the lease could not be renewed in time", true); // L3
      const isDue =
        current.suspendedAt !== undefined || current.wish !== undefined || now - state.renewedAt >= timing.renewEveryMs;
      return isDue && state.renewal === undefined ? renew(current) : stay(current);
    }
    case "swapped": {
      if (event.swap !== state.renewal?.id) return stay(state);
      const { startedAt, lease } = state.renewal;
      // L8: a renewal begun before the pause proves nothing about the time after it.
      const provesPresence = state.suspendedAt === undefined || startedAt >= state.suspendedAt;
      const held = event.revision > state.held.revision ? { lease, revision: event.revision } : state.held;
      const current: Leading = {
        ...state,
        held,
        actsUntil: startedAt + timing.actForMs, // L3
        renewedAt: startedAt,
        renewal: undefined,
        wish: stillWished(state, held.lease),
        suspendedAt: provesPresence ? undefined : state.suspendedAt,
      };
      return current.wish === undefined ? stay(current) : renew(current);
    }
    case "swap-refused":
      if (event.swap !== state.renewal?.id) return stay(state);
      // Either deposed, or an earlier renewal with an unknown outcome moved the revision: the read tells.
      return stay({ ...state, renewal: undefined, renewedAt: now - timing.renewEveryMs / 2 }, { kind: "read" });
    case "swap-unknown":
      if (event.swap !== state.renewal?.id) return stay(state);
      return stay({ ...state, renewal: undefined }, { kind: "read" });
    case "release": {
      // L7: stops acting first, then gives away.
      const lose: ElectionAction = { kind: "lose", held: state.held, reason: "handed over" };
      if (state.renewal !== undefined) {
        // Its answer tells the revision to swap from; without it the store would refuse.
        return stay({ kind: "releasing", held: state.held, to: event.to, swap: state.renewal }, lose);
      }
      const { state: releasing, actions } = giveAway(state.held, event.to, setting);
      return stay(releasing, lose, ...actions);
    }
    default:
      return stay(state);
  }
}

/** The wish of `state` unless `lease` fulfils it. */
const stillWished = ({ wish }: Leading, { contentVersion = 0 }: Lease): Leading["wish"] =>
  wish !== undefined && wish.version > contentVersion ? wish : undefined;

function giveAway(held: SeenLease, to: string | undefined, { now, nextSwap }: ElectionSetting): Step {
  const next: Lease = {
    ...held.lease,
    status: "released",
    renewal: held.lease.renewal + 1,
    ...(to !== undefined && { handTo: to }),
  };
  return stay(
    { kind: "releasing", held, to, swap: { id: nextSwap, startedAt: now, lease: next } },
    { kind: "swap", id: nextSwap, expectedRevision: held.revision, lease: next },
  );
}

function whileReleasing(state: Releasing, event: ElectionEvent, setting: ElectionSetting): Step {
  const { now, me } = setting;
  switch (event.kind) {
    case "swapped": {
      if (event.swap !== state.swap?.id) return stay(state);
      const stored = { lease: state.swap.lease, revision: event.revision };
      return stored.lease.status === "released"
        ? stay(following(stored, now, false), { kind: "released" })
        : giveAway(stored, state.to, setting); // the last renewal of the term
    }
    case "swap-refused":
    case "swap-unknown":
      if (event.swap !== state.swap?.id) return stay(state);
      return stay({ ...state, swap: undefined }, { kind: "read" });
    case "observed": {
      const seen = isNewer(event.seen, state.held) ? event.seen : state.held;
      if (!isHeldBy(seen, me) || seen.lease.status === "released") {
        return stay(following(seen, now, false), { kind: "released" });
      }
      // A stale read is as good as any to try again: the swap decides.
      return state.swap === undefined ? giveAway(seen, state.to, setting) : stay({ ...state, held: seen });
    }
    default:
      return stay(state);
  }
}
