import type { Evidence } from "@understudy/contracts";
import {
  initialState,
  mayAct,
  type Candidate,
  type ElectionAction,
  type ElectionEvent,
  type ElectionSetting,
  type ElectionState,
  type Step,
} from "./election-state.ts";
import { electionStep } from "./election.ts";
import type { Lease, SeenLease } from "./lease.ts";
import { standardTiming } from "./timing.ts";

const candidate = (id: string): Candidate => ({ id, incarnation: `${id}-1`, machine: `machine-of-${id}` });
const me = candidate("me");
const other = candidate("other");
const third = candidate("third");
const timing = standardTiming;
const start = 1_000_000;

const leaseOf = (holder: Candidate, term: number, changes: Partial<Lease> = {}): Lease => ({
  role: "role",
  term,
  holder,
  status: "held",
  renewal: 0,
  since: new Date(0).toISOString(),
  ...changes,
});
const seen = (holder: Candidate, term: number, revision: number, changes: Partial<Lease> = {}): SeenLease => ({
  lease: leaseOf(holder, term, changes),
  revision,
});
const observed = (entry: SeenLease | undefined): ElectionEvent => ({ kind: "observed", seen: entry });
const evidence: readonly Evidence[] = [{ kind: "no-responders", at: 1, observer: "me" }];
const hintAt = (holder: Candidate): ElectionEvent => ({ kind: "hint", holder: holder.incarnation, evidence });
const tick: ElectionEvent = { kind: "tick" };

/** One candidate, carried from event to event on a clock of its own. */
class Run {
  state: ElectionState = initialState(start);
  now = start;
  swaps = 0;
  actions: readonly ElectionAction[] = [];
  constructor(private readonly setting: Partial<ElectionSetting> = {}) {}

  on(event: ElectionEvent, afterMs = 0, changes: Partial<ElectionSetting> = {}): this {
    this.now += afterMs;
    const step: Step = electionStep(this.state, event, {
      role: "role",
      me,
      timing,
      termFloor: 0,
      isEligible: () => true,
      now: this.now,
      wallClock: 0,
      nextSwap: this.swaps + 1,
      ...this.setting,
      ...changes,
    });
    this.state = step.state;
    this.actions = step.actions;
    for (const action of step.actions) if (action.kind === "swap") this.swaps = action.id;
    return this;
  }

  /** Ticks as the elector does, so that no pause is noticed. */
  pass(ms: number): this {
    for (let passed = 0; passed < ms; passed += 500) this.on(tick, Math.min(500, ms - passed));
    return this;
  }

  get swap(): Extract<ElectionAction, { kind: "swap" }> | undefined {
    return this.actions.find((action) => action.kind === "swap");
  }

  get kinds(): string[] {
    return this.actions.map(({ kind }) => kind);
  }

  get mayAct(): boolean {
    return mayAct(this.state, this.now, timing);
  }
}

const swapped = (run: Run, revision: number): ElectionEvent => ({ kind: "swapped", swap: run.swaps, revision });
const refused = (run: Run): ElectionEvent => ({ kind: "swap-refused", swap: run.swaps });
const unknown = (run: Run): ElectionEvent => ({ kind: "swap-unknown", swap: run.swaps });
const following = (entry: SeenLease) => new Run().on(observed(entry));
const leader = () => {
  const run = new Run().on(observed(undefined));
  return run.on(swapped(run, 1), 5);
};

describe("a candidate that follows", () => {
  it("does nothing before it has read the store once", () => {
    expect(new Run().on(tick, 60_000).actions).toEqual([]);
    expect(new Run().on(hintAt(other)).actions).toEqual([]);
  });

  it("takes a lease that nobody ever had, from revision 0, with term 1", () => {
    const run = new Run().on(observed(undefined));
    expect(run.swap).toMatchObject({ expectedRevision: 0, lease: { term: 1, holder: { id: "me" }, status: "held" } });
  });

  it("takes a term above the floor known from PostgreSQL (L2)", () => {
    expect(new Run({ termFloor: 41 }).on(observed(undefined)).swap?.lease.term).toBe(42);
    expect(new Run({ termFloor: 3 }).on(observed(seen(other, 7, 9, { status: "released" }))).swap?.lease.term).toBe(8);
  });

  it.each([
    ["a held lease", seen(other, 3, 7), 14_999, false],
    ["a held lease not renewed for the whole silence", seen(other, 3, 7), 15_000, true],
    ["a lease released for anybody", seen(other, 3, 7, { status: "released" }), 0, true],
    ["a lease released for it", seen(other, 3, 7, { status: "released", handTo: "me" }), 0, true],
    ["a lease just released for another", seen(other, 3, 7, { status: "released", handTo: "third" }), 999, false],
    ["a lease whose heir does not come", seen(other, 3, 7, { status: "released", handTo: "third" }), 1_000, true],
    ["a lease that it just released itself", seen(me, 3, 7, { status: "released" }), 999, false],
    ["a lease that it released itself and nobody took", seen(me, 3, 7, { status: "released" }), 1_000, true],
    ["a lease held by its own incarnation: an answer was lost", seen(me, 3, 7), 0, true],
    ["a lease held by its former incarnation", seen({ ...me, incarnation: "me-0" }, 3, 7), 14_999, false],
  ])("%s (%#)", (_, entry, afterMs, tries) => {
    const run = following(entry);
    if (afterMs > 0) run.on(tick, afterMs);
    expect(run.swap !== undefined).toBe(tries);
    if (tries) expect(run.swap).toMatchObject({ expectedRevision: 7, lease: { term: 4, holder: me } });
  });

  it("counts the silence from the last renewal that it saw", () => {
    const run = following(seen(other, 3, 7));
    run.on(observed(seen(other, 3, 8, { renewal: 1 })), 14_000);
    expect(run.on(tick, 14_999).swap).toBeUndefined();
    expect(run.on(tick, 1).swap?.expectedRevision).toBe(8);
  });

  it("is not fooled by stale or empty reads: neither unsees a lease or begins the silence anew", () => {
    const run = following(seen(other, 3, 7));
    run
      .on(observed(seen(third, 2, 5)), 10_000)
      .on(observed(undefined))
      .on(observed(seen(other, 3, 7)));
    expect(run.actions).toEqual([]);
    expect(run.on(tick, 5_000).swap).toMatchObject({ expectedRevision: 7, lease: { term: 4 } });
  });

  it("never tries while it is not eligible", () => {
    const run = new Run({ isEligible: () => false }).on(observed(undefined)).on(tick, 60_000).on(hintAt(other));
    expect(run.actions).toEqual([]);
    expect(run.on(tick, 0, { isEligible: () => true }).swap).toBeDefined();
  });
});

describe("a hint (L4)", () => {
  it("makes a candidate try at once, with the hint as its evidence", () => {
    const run = following(seen(other, 3, 7)).on(hintAt(other));
    expect(run.swap).toMatchObject({ expectedRevision: 7, lease: { term: 4 } });
    expect(run.on(swapped(run, 8)).actions).toMatchObject([
      { kind: "lead", held: { revision: 8 }, evidence, predecessor: { lease: { holder: other } } },
    ]);
  });

  it("means nothing when it is about somebody who does not hold the lease", () => {
    expect(following(seen(other, 3, 7)).on(hintAt(third)).actions).toEqual([]);
  });

  it("is void once the holder answered", () => {
    const run = following(seen(other, 3, 7)).on(hintAt(other), 0, { isEligible: () => false });
    run.on({ kind: "holder-alive", holder: other.incarnation });
    expect(run.on(tick).actions).toEqual([]);
  });

  it("grows old", () => {
    const run = following(seen(other, 3, 7)).on(hintAt(other), 0, { isEligible: () => false });
    expect(run.on(tick, 2_001).actions).toEqual([]);
  });

  it("survives a renewal by the same holder, not a new holder", () => {
    const heldBack = () => following(seen(other, 3, 7)).on(hintAt(other), 0, { isEligible: () => false });
    expect(heldBack().on(observed(seen(other, 3, 8, { renewal: 1 }))).swap?.expectedRevision).toBe(8);
    expect(heldBack().on(observed(seen(third, 4, 8))).actions).toEqual([]);
  });

  it("cannot make a leader: a refused swap leaves a follower that reads", () => {
    const run = following(seen(other, 3, 7)).on(hintAt(other));
    expect(run.on(refused(run)).kinds).toEqual(["read"]);
    expect(run.state.kind).toBe("following");
    expect(run.mayAct).toBe(false);
    // While it waits for the read, it does not try again.
    expect(run.on(tick).actions).toEqual([]);
  });
});

describe("a candidate whose swap is under way", () => {
  it("leads when the swap succeeded, and acts for a time counted from the swap's start (L3)", () => {
    const run = new Run().on(observed(undefined));
    run.on(swapped(run, 1), 900);
    expect(run.kinds).toEqual(["lead"]);
    expect(run.mayAct).toBe(true);
    expect(run.state).toMatchObject({ kind: "leading", actsUntil: start + 12_000 });
  });

  it("ignores answers to other swaps", () => {
    const run = new Run().on(observed(undefined));
    for (const kind of ["swap-refused", "swap-unknown"] as const) {
      expect(run.on({ kind, swap: 99 }).state.kind).toBe("acquiring");
    }
    expect(run.on({ kind: "swapped", swap: 99, revision: 1 }).state.kind).toBe("acquiring");
  });

  it("claims a lease that a lost answer left to it by another swap, under another term (L1)", () => {
    const run = new Run().on(observed(undefined));
    expect(run.on(unknown(run)).kinds).toEqual(["read"]);
    run.on(observed(seen(me, 1, 1)));
    expect(run.mayAct).toBe(false);
    expect(run.swap).toMatchObject({ expectedRevision: 1, lease: { term: 2 } });
  });

  it("remembers why it tried and whom it follows, when a lost answer makes it claim its own lease", () => {
    const run = following(seen(other, 3, 7)).on(hintAt(other));
    run.on(unknown(run)).on(observed(seen(me, 4, 8)), 5);
    expect(run.on(swapped(run, 9)).actions).toMatchObject([
      { kind: "lead", evidence, predecessor: { lease: { holder: other, term: 3 } } },
    ]);
  });

  it("forgets so when somebody else had the lease in between", () => {
    const run = following(seen(other, 3, 7)).on(hintAt(other));
    run.on(unknown(run)).on(observed(seen(third, 5, 9)), 5);
    run.on(tick, 15_000);
    expect(run.on(swapped(run, 10)).actions).toMatchObject([
      { kind: "lead", evidence: [{ kind: "lease-expired" }], predecessor: { lease: { holder: third } } },
    ]);
  });

  it("does not begin to lead when it already saw a successor", () => {
    const run = new Run().on(observed(undefined)).on(observed(seen(other, 2, 2)));
    expect(run.on(swapped(run, 1)).actions).toEqual([]);
    expect(run.state).toMatchObject({ kind: "following", seen: { revision: 2 } });
  });

  it("having slept through the answer, confirms the lease by a swap begun afterwards (L8)", () => {
    const run = new Run().on(observed(seen(other, 4, 9, { status: "released" })));
    run.on(swapped(run, 10), 1_001);
    expect(run.mayAct).toBe(false);
    expect(run.kinds).toEqual(["swap"]);
    expect(run.swap).toMatchObject({ expectedRevision: 10, lease: { term: 6 } });
    run.on(swapped(run, 11), 5);
    expect(run.actions).toMatchObject([
      { kind: "lead", evidence: [{ kind: "hand-over" }], predecessor: { lease: { holder: other } } },
    ]);
    expect(run.mayAct).toBe(true);
  });

  it("does so also when a tick came between the pause and the answer", () => {
    const run = new Run().on(observed(undefined)).on(tick, 1_001);
    expect(run.on(swapped(run, 1)).kinds).toEqual(["swap"]);
  });

  it("leads at once when the store was slow but the process was not", () => {
    const run = new Run().on(observed(undefined)).pass(1_400);
    expect(run.on(swapped(run, 1)).kinds).toEqual(["lead"]);
  });
});

describe("a leader", () => {
  it("renews in time, and each renewal prolongs from its own start", () => {
    const run = leader().pass(1_494);
    expect(run.actions).toEqual([]);
    run.on(tick, 1);
    expect(run.swap).toMatchObject({ expectedRevision: 1, lease: { term: 1, renewal: 1 } });
    const startedAt = run.now;
    run.on(swapped(run, 2), 700);
    expect(run.state).toMatchObject({ held: { revision: 2 }, actsUntil: startedAt + 12_000 });
  });

  it("stops acting by its own clock alone, and then tells so", () => {
    const run = leader();
    for (let asked = 0; run.now < start + 11_500; asked++) {
      run.on(tick, 500);
      if (run.swap !== undefined) run.on(unknown(run));
      if (asked > 100) throw new Error("time stands still");
    }
    expect(run.mayAct).toBe(true);
    expect(mayAct(run.state, start + 11_999, timing)).toBe(true);
    expect(mayAct(run.state, start + 12_000, timing)).toBe(false);
    run.on(tick, start + 12_000 - run.now);
    expect(run.kinds).toEqual(["lose", "read"]);
    expect(run.state.kind).toBe("following");
  });

  it("is deposed by what it observes, at once", () => {
    const run = leader().on(observed(seen(other, 2, 2)));
    expect(run.kinds).toEqual(["lose"]);
    expect(run.mayAct).toBe(false);
    expect(run.state).toMatchObject({ kind: "following", seen: { revision: 2 } });
  });

  it("is not deposed by stale or empty reads", () => {
    const run = leader().on(observed(seen(me, 1, 5, { renewal: 4 })));
    expect(run.on(observed(seen(other, 9, 4))).actions).toEqual([]);
    expect(run.on(observed(undefined)).actions).toEqual([]);
    expect(run.mayAct).toBe(true);
  });

  it("goes on from a renewal whose answer was lost, without acting longer for it (L3)", () => {
    const run = leader().pass(1_500);
    run.on(unknown(run)).on(observed(seen(me, 1, 2, { renewal: 1 })));
    expect(run.state).toMatchObject({ held: { revision: 2 }, actsUntil: start + 12_000 });
    expect(run.on(tick, 100).swap).toMatchObject({ expectedRevision: 2, lease: { renewal: 2 } });
  });

  it("reads after a refused renewal, acts on, and tries again a little later", () => {
    const run = leader().pass(1_500);
    expect(run.on(refused(run)).kinds).toEqual(["read"]);
    expect(run.mayAct).toBe(true);
    expect(run.on(tick, 500).actions).toEqual([]);
    expect(run.on(tick, 250).swap).toBeDefined();
  });

  it("has one renewal under way at a time", () => {
    const run = leader().pass(1_500);
    expect(run.swap).toBeDefined();
    expect(run.on(tick, 900).actions).toEqual([]);
  });

  it("after a pause does not act before a renewal begun afterwards succeeded (L8)", () => {
    const run = leader();
    run.now += 1_001;
    expect(run.mayAct).toBe(false); // even before the next tick
    run.on(tick);
    expect(run.mayAct).toBe(false);
    expect(run.swap).toBeDefined();
    run.on(swapped(run, 2), 5);
    expect(run.mayAct).toBe(true);
  });

  it("does not take a renewal begun before the pause for a proof", () => {
    const run = leader().pass(1_500);
    const before = swapped(run, 2);
    run.on(tick, 1_001).on(before);
    expect(run.mayAct).toBe(false);
    expect(run.on(tick, 100).swap?.expectedRevision).toBe(2);
  });

  it("stopped without a hand-over says that it lost, and stays stopped", () => {
    const run = leader().on({ kind: "stop" });
    expect(run.kinds).toEqual(["lose"]);
    for (const event of [tick, observed(undefined), hintAt(other)]) {
      expect(run.on(event, 60_000).actions).toEqual([]);
      expect(run.state.kind).toBe("stopped");
    }
  });
});

describe("a leader that gives the lease away (L7)", () => {
  const release: ElectionEvent = { kind: "release", to: "other" };

  it("stops acting first, then releases for the one meant", () => {
    const run = leader().on(release);
    expect(run.mayAct).toBe(false);
    expect(run.kinds).toEqual(["lose", "swap"]);
    expect(run.swap).toMatchObject({ expectedRevision: 1, lease: { status: "released", handTo: "other", term: 1 } });
    expect(run.on(swapped(run, 2)).kinds).toEqual(["released"]);
    expect(run.state.kind).toBe("following");
  });

  it.each([
    ["refused, because a renewal under way came first", refused, seen(me, 1, 2, { renewal: 1 }), 2],
    ["lost", unknown, seen(me, 1, 1), 1],
    ["lost, and the read comes from a replica that lags behind", unknown, seen(other, 0, 0), 1],
    ["lost, and the read finds nothing", unknown, undefined, 1],
  ])("tries again when the request was %s, for the same one", (_, outcome, entry, expectedRevision) => {
    const run = leader().on(release);
    expect(run.on(outcome(run)).kinds).toEqual(["read"]);
    run.on(observed(entry));
    expect(run.swap).toMatchObject({ expectedRevision, lease: { status: "released", handTo: "other" } });
    expect(run.mayAct).toBe(false);
  });

  it.each([
    ["its own release, when only the answer was lost", seen(me, 1, 2, { status: "released" })],
    ["a successor", seen(other, 2, 3)],
  ])("is done when it sees %s", (_, entry) => {
    const run = leader().on(release);
    run.on(unknown(run)).on(observed(entry));
    expect(run.kinds).toEqual(["released"]);
    expect(run.state).toMatchObject({ kind: "following", seen: entry });
  });

  it("does not ask twice at a time", () => {
    const run = leader()
      .on(release)
      .on(observed(seen(me, 1, 2, { renewal: 1 })));
    expect(run.actions).toEqual([]);
    expect(run.state).toMatchObject({ kind: "releasing", held: { revision: 2 } });
  });
});

describe("the content of a lease", () => {
  const contentFor = (before: SeenLease | undefined) => ({ after: before?.lease.content ?? "nothing" });
  const change = (content: unknown, version: number): ElectionEvent => ({ kind: "change", content, version });

  it("is taken over in the same swap as the term (D2)", () => {
    const entry = seen(other, 3, 7, { content: "theirs", contentVersion: 4 });
    const run = new Run({ contentFor }).on(observed(entry)).on(hintAt(other));
    expect(run.swap?.lease).toMatchObject({ term: 4, content: { after: "theirs" }, contentVersion: 5 });
  });

  it("decides on the very entry that is swapped whether this candidate may take it", () => {
    const isEligible = (entry: SeenLease | undefined) => entry?.lease.content !== "not for me";
    const run = new Run({ isEligible }).on(observed(seen(other, 3, 7, { content: "for all" })));
    run.on(observed(seen(other, 3, 8, { content: "not for me" }))).on(hintAt(other));
    expect(run.swap).toBeUndefined();
    expect(run.on(observed(seen(other, 3, 9, { content: "for all" }))).swap).toMatchObject({ expectedRevision: 9 });
  });

  it("is changed by a swap of the whole entry, and kept by renewals and when the lease is given away", () => {
    const run = leader().on(change("new", 1));
    expect(run.swap).toMatchObject({ expectedRevision: 1, lease: { term: 1, content: "new", contentVersion: 1 } });
    run.on(swapped(run, 2)).on(tick, 600).on(tick, 600).on(tick, 600);
    expect(run.swap?.lease).toMatchObject({ content: "new", contentVersion: 1 });
    run.on(swapped(run, 3)).on({ kind: "release", to: undefined });
    expect(run.swap?.lease).toMatchObject({ status: "released", content: "new", contentVersion: 1 });
  });

  it("waits for the renewal under way, then follows at once", () => {
    const run = leader().on(tick, 800).on(tick, 800);
    expect(run.swap?.lease.renewal).toBe(1);
    run.on(change("new", 1));
    expect(run.swap).toBeUndefined();
    run.on(swapped(run, 2));
    expect(run.swap).toMatchObject({ expectedRevision: 2, lease: { content: "new" } });
  });

  it("is tried again when the store did not answer, and not again when the store has it", () => {
    const run = leader().on(change("new", 1));
    const written = run.swap?.lease as Lease;
    run.on(unknown(run)).on(tick, 100);
    expect(run.swap?.lease.content).toBe("new");
    run
      .on(observed({ lease: written, revision: 2 }))
      .on(refused(run))
      .on(tick, 100);
    expect(run.state).toMatchObject({ kind: "leading", wish: undefined });
    expect(run.swap).toBeUndefined();
  });
});

describe("a leader that hands over while a renewal is on its way", () => {
  it("stops acting at once, and gives away from the revision that the renewal made", () => {
    const run = leader().on(tick, 800).on(tick, 800);
    const renewal = run.swaps;
    run.on({ kind: "release", to: "other" });
    expect(run.kinds).toEqual(["lose"]);
    expect(run.mayAct).toBe(false);
    run.on({ kind: "swapped", swap: renewal, revision: 2 });
    expect(run.swap).toMatchObject({ expectedRevision: 2, lease: { status: "released", handTo: "other" } });
    expect(run.on(swapped(run, 3)).kinds).toEqual(["released"]);
  });

  it("reads where the renewal was refused or is not answered", () => {
    const run = leader().on(tick, 800).on(tick, 800);
    run.on({ kind: "release", to: undefined }).on(unknown(run));
    expect(run.kinds).toEqual(["read"]);
    run.on(observed({ lease: leaseOf(me, 1, { renewal: 1 }), revision: 2 }));
    expect(run.swap).toMatchObject({ expectedRevision: 2, lease: { status: "released" } });
  });
});
