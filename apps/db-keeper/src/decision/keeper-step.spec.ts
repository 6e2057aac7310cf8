import type { DatabaseEntry } from "@understudy/contracts";
import { standardKeeperTiming, type KeeperFacts, type LeaseFacts, type PostgresFacts } from "./facts.ts";
import { keeperStep, waitsOf, type KeeperPlan } from "./keeper-step.ts";

type Running = Extract<PostgresFacts, { kind: "running" }>;

const entry: DatabaseEntry = {
  database: "shop",
  policy: "available",
  inSync: ["a", "b"],
  phase: "open",
  primary: "a",
  timeline: 1,
  systemIdentifier: "1",
};
const stopped: PostgresFacts = { kind: "stopped", end: "none", streamingAtEnd: [], failedStarts: 0 };
const toB = { count: 1, standbys: ["b"] };
const toNobody = { count: 0, standbys: [] };
const primary: Running = {
  kind: "running",
  role: "primary",
  isPromoting: false,
  timeline: 1,
  systemIdentifier: "1",
  unansweredMs: 0,
  access: "open",
  waitsFor: toB,
  recoveredTo: 100n,
  standbys: [{ member: "b", isStreaming: true, isSynchronous: true, flushedAt: 200n }],
  missingMs: {},
  joinPosition: 100n,
  upstream: undefined,
  notStreamingMs: 0,
};
const standby: Running = { ...primary, role: "standby", waitsFor: toNobody, standbys: [], upstream: "a" };
const lease = (change: Partial<DatabaseEntry> = {}, more: Partial<LeaseFacts> = {}): LeaseFacts => ({
  term: 5,
  entry: { ...entry, ...change },
  holder: "me",
  revision: 7,
  isReleased: false,
  ...more,
});
const asA: KeeperFacts = {
  member: "a",
  members: ["a", "b"],
  lease: lease(),
  isLeaseKnown: true,
  isLeading: true,
  unledMs: 0,
  primaryTerm: 5,
  data: {
    kind: "present",
    systemIdentifier: "1",
    timeline: 1,
    isStandby: false,
    isCleanlyShutDown: false,
    checkpointAt: 0n,
  },
  postgres: primary,
  isPrepared: false,
  isHeld: false,
  synchronousMost: undefined,
  stoppedAt: undefined,
  canFollow: undefined,
};
const present = asA.data as Extract<KeeperFacts["data"], { kind: "present" }>;
const standbyData = { ...present, isStandby: true };
/** Member b, while a is the primary. */
const asB: KeeperFacts = {
  ...asA,
  member: "b",
  lease: lease({}, { holder: "other" }),
  isLeading: false,
  primaryTerm: 0,
  data: standbyData,
  postgres: standby,
};
const newPrimaryB = lease({ primary: "b", inSync: ["b"], timeline: 2 }, { holder: "other", term: 6 });
const missing = { standbys: [], missingMs: { b: 1_500 } };
const joining = { inSync: ["a"], degradedSince: 3 };
const behind = [{ member: "b", isStreaming: true, isSynchronous: true, flushedAt: 50n }];

describe("keeperStep", () => {
  it.each<readonly [string, Partial<KeeperPlan>, KeeperFacts]>([
    // Fencing
    ["a primary of an older term is killed", { do: "kill" }, { ...asA, lease: newPrimaryB }],
    [
      "so is one whose promotion is under way",
      { do: "kill" },
      { ...asA, lease: newPrimaryB, postgres: { ...standby, isPromoting: true } },
    ],
    [
      "so is one that only starts",
      { do: "kill" },
      { ...asA, lease: newPrimaryB, postgres: { kind: "starting", role: "primary" } },
    ],
    ["so is one whose term was given away", { do: "kill" }, { ...asA, lease: lease({}, { isReleased: true }) }],
    ["a frozen PostgreSQL is killed", { do: "kill" }, { ...asA, postgres: { ...primary, unansweredMs: 2_100 } }],
    [
      "without NATS a streaming standby lets it serve on",
      { do: "nothing" },
      { ...asA, isLeading: false, unledMs: 60_000 },
    ],
    [
      "without NATS and without one it is ended",
      { do: "kill" },
      { ...asA, isLeading: false, unledMs: 60_000, postgres: { ...primary, ...missing } },
    ],
    [
      "but not before the silence is over",
      { do: "nothing" },
      { ...asA, isLeading: false, unledMs: 1_000, postgres: { ...primary, ...missing } },
    ],
    [
      "alone in sync it serves on",
      { do: "nothing" },
      {
        ...asA,
        lease: lease(joining),
        isLeading: false,
        unledMs: 60_000,
        postgres: { ...primary, ...missing, waitsFor: toNobody },
      },
    ],
    // Beginning
    ["nobody's entry: waits", { do: "nothing" }, { ...asA, lease: undefined, postgres: stopped }],
    [
      "a new database is made",
      { do: "initialise" },
      { ...asA, lease: lease({ phase: "initialising", inSync: ["a"] }), postgres: stopped, data: { kind: "none" } },
    ],
    [
      "and started open: it has nothing to hide",
      { do: "start-primary", access: "open" },
      {
        ...asA,
        isPrepared: true,
        lease: lease({ phase: "initialising", inSync: ["a"], policy: "strict" }),
        postgres: stopped,
      },
    ],
    // Crash and restart of the primary
    [
      "after a crash a standby that streamed takes over",
      { do: "hand-over", to: "b" },
      { ...asA, postgres: { ...stopped, end: "crash", streamingAtEnd: ["b"] } },
    ],
    [
      "unless it is not in sync",
      { do: "start-primary" },
      { ...asA, lease: lease(joining), postgres: { ...stopped, end: "crash", streamingAtEnd: ["b"] } },
    ],
    [
      "or the database is paused",
      { do: "start-primary", access: "closed" },
      {
        ...asA,
        lease: lease({ paused: { since: 0, reason: "" } }),
        postgres: { ...stopped, end: "crash", streamingAtEnd: ["b"] },
      },
    ],
    [
      "a restarted primary keeps clients out while others count",
      { do: "start-primary", access: "closed", waitsFor: toB },
      { ...asA, postgres: stopped },
    ],
    [
      "until they have what recovery brought up",
      { do: "nothing" },
      { ...asA, postgres: { ...primary, access: "closed", standbys: behind } },
    ],
    ["then lets them in", { do: "open-clients" }, { ...asA, postgres: { ...primary, access: "closed" } }],
    [
      "or until they are taken out",
      { do: "record-without", member: "b" },
      { ...asA, postgres: { ...primary, ...missing, access: "closed" } },
    ],
    ["held down, it stays down", { do: "nothing" }, { ...asA, postgres: stopped, isHeld: true }],
    // Promotion
    [
      "an elected standby is promoted",
      { do: "promote" },
      { ...asB, lease: lease({ primary: "b", inSync: ["b"], phase: "promoting" }), isLeading: true },
    ],
    [
      "under strict not before commits wait",
      { do: "set-waits", waitsFor: { count: 1, standbys: ["a"] } },
      { ...asB, lease: lease({ primary: "b", inSync: ["b"], phase: "promoting", policy: "strict" }), isLeading: true },
    ],
    [
      "restarted in between, it goes on as standby",
      { do: "start-standby", upstream: undefined },
      { ...asB, lease: lease({ primary: "b", inSync: ["b"], phase: "promoting" }), isLeading: true, postgres: stopped },
    ],
    [
      "writable, it is recorded",
      { do: "record-open", timeline: 2 },
      {
        ...asA,
        lease: lease({ ...joining, phase: "promoting" }),
        postgres: { ...primary, waitsFor: toNobody, timeline: 2, standbys: [] },
      },
    ],
    // D2, out
    [
      "a lost standby leaves the entry first",
      { do: "record-without", member: "b" },
      { ...asA, postgres: { ...primary, ...missing } },
    ],
    [
      "a moment's absence is none",
      { do: "nothing" },
      { ...asA, postgres: { ...primary, standbys: [], missingMs: { b: 500 } } },
    ],
    [
      "then PostgreSQL stops waiting",
      { do: "set-waits", waitsFor: toNobody },
      { ...asA, lease: lease(joining), postgres: { ...primary, ...missing } },
    ],
    [
      "under strict the last one stays, and commits wait",
      { do: "nothing" },
      { ...asA, lease: lease({ policy: "strict" }), postgres: { ...primary, ...missing } },
    ],
    // D2, in
    [
      "a standby joins PostgreSQL first",
      { do: "set-waits", waitsFor: toB },
      { ...asA, lease: lease(joining), postgres: { ...primary, waitsFor: toNobody } },
    ],
    ["is awaited", { do: "nothing" }, { ...asA, lease: lease(joining), postgres: { ...primary, standbys: behind } }],
    [
      "and joins the entry once it has everything",
      { do: "record-with", member: "b" },
      { ...asA, lease: lease(joining) },
    ],
    [
      "not while PostgreSQL does not count it",
      { do: "nothing" },
      {
        ...asA,
        lease: lease(joining),
        postgres: { ...primary, standbys: [{ member: "b", isStreaming: true, isSynchronous: false, flushedAt: 200n }] },
      },
    ],
    [
      "what waits for too few is mended at once",
      { do: "set-waits", waitsFor: toB },
      { ...asA, postgres: { ...primary, waitsFor: toNobody } },
    ],
    // Standby
    ["a standby follows", { do: "nothing" }, asB],
    [
      "and another primary after a failover",
      { do: "follow", upstream: "c" },
      { ...asB, members: ["a", "b", "c"], lease: lease({ primary: "c" }, { holder: "other" }) },
    ],
    ["without data it is cloned", { do: "clone", from: "a" }, { ...asB, postgres: stopped, data: { kind: "none" } }],
    [
      "a crashed former primary is cloned",
      { do: "clone", from: "b" },
      { ...asA, lease: newPrimaryB, isLeading: false, primaryTerm: 0, postgres: stopped },
    ],
    [
      "one that ended in order is compared first",
      { do: "compare-history", to: "b" },
      {
        ...asA,
        lease: newPrimaryB,
        isLeading: false,
        postgres: stopped,
        data: { ...present, isCleanlyShutDown: true },
      },
    ],
    [
      "and follows without a clone",
      { do: "start-standby", upstream: "b" },
      {
        ...asA,
        lease: newPrimaryB,
        isLeading: false,
        postgres: stopped,
        data: { ...present, isCleanlyShutDown: true },
        canFollow: true,
      },
    ],
    [
      "or is cloned",
      { do: "clone", from: "b" },
      {
        ...asA,
        lease: newPrimaryB,
        isLeading: false,
        postgres: stopped,
        data: { ...present, isCleanlyShutDown: true },
        canFollow: false,
      },
    ],
    [
      "another database's data is never overwritten",
      { do: "nothing" },
      { ...asB, postgres: stopped, data: { ...standbyData, systemIdentifier: "2" } },
    ],
    [
      "a spare that cannot stream is cloned anew",
      { do: "clone", from: "a" },
      { ...asB, lease: lease(joining, { holder: "other" }), postgres: { ...standby, notStreamingMs: 6_000 } },
    ],
    [
      "not while the entry counts on it",
      { do: "nothing" },
      { ...asB, postgres: { ...standby, notStreamingMs: 6_000 } },
    ],
    [
      "an earlier life's lease is waited for",
      { do: "nothing" },
      { ...asA, lease: lease({}, { holder: "former-self" }), isLeading: false, postgres: stopped },
    ],
  ])("%s", (_claim, expected, facts) => {
    expect(keeperStep(facts, standardKeeperTiming)).toMatchObject(expected);
  });
});

describe("what commits wait for", () => {
  const members = ["a", "b", "c"];
  it("is all who are in sync, and whoever joins", () => {
    expect(waitsOf({ ...entry, inSync: ["a", "c", "b"] }, "a", members)).toEqual({ count: 2, standbys: ["b", "c"] });
    expect(waitsOf({ ...entry, inSync: ["a"] }, "a", members, "c")).toEqual({ count: 1, standbys: ["c"] });
    expect(waitsOf({ ...entry, inSync: ["a"] }, "a", members)).toEqual({ count: 0, standbys: [] });
  });
  it("is never nobody under strict", () => {
    const alone = { ...entry, inSync: ["a"], policy: "strict" as const };
    expect(waitsOf(alone, "a", members)).toEqual({ count: 1, standbys: ["b", "c"] });
  });
});
