import type { DatabaseEntry } from "@understudy/contracts";
import { entryOnTaking, mayTake, withoutStandby, withStandby, type Candidate, type SeenEntry } from "./entry-rules.ts";
import type { DataFacts } from "./facts.ts";

const data = (change: Partial<Extract<DataFacts, { kind: "present" }>> = {}): DataFacts => ({
  kind: "present",
  systemIdentifier: "1",
  timeline: 2,
  isStandby: true,
  isCleanlyShutDown: false,
  checkpointAt: 0n,
  ...change,
});
const b: Candidate = {
  member: "b",
  members: ["a", "b"],
  policy: "available",
  data: data(),
  runsAs: "standby",
  isFit: true,
  hearsFrom: undefined,
  timelinesOfOthers: {},
  confirmations: [],
};
const a: Candidate = { ...b, member: "a", runsAs: "nothing", data: data({ isStandby: false }) };
const entry: DatabaseEntry = {
  database: "shop",
  policy: "available",
  inSync: ["a", "b"],
  phase: "open",
  primary: "a",
  timeline: 2,
  systemIdentifier: "1",
};
const seen = (change: Partial<DatabaseEntry> = {}, more: Partial<SeenEntry> = {}): SeenEntry => ({
  entry: { ...entry, ...change },
  revision: 7,
  isReleased: false,
  isMeantForMe: false,
  ...more,
});
const paused = { since: 0, reason: "maintenance" };

describe("mayTake", () => {
  it.each<readonly [string, boolean, SeenEntry | "foreign" | undefined, Candidate]>([
    ["a standby in sync", true, seen(), b],
    ["a standby that the entry does not name (D1)", false, seen({ inSync: ["a"] }), b],
    ["a standby that still hears the primary's PostgreSQL", false, seen(), { ...b, hearsFrom: "a" }],
    ["one to which the lease was given all the same", true, seen({}, { isReleased: true }), { ...b, hearsFrom: "a" }],
    ["a standby that does not run", false, seen(), { ...b, runsAs: "nothing" }],
    ["a standby on an older timeline: a stale copy", false, seen(), { ...b, data: data({ timeline: 1 }) }],
    ["a standby on a timeline that nobody recorded", false, seen(), { ...b, data: data({ timeline: 3 }) }],
    ["data of another database", false, seen(), { ...b, data: data({ systemIdentifier: "2" }) }],
    ["no data", false, seen(), { ...b, data: { kind: "none" } }],
    ["who stops, or was told to stay down", false, seen(), { ...b, isFit: false }],
    ["the primary itself, not running", true, seen(), a],
    ["the primary that promoted itself and could not record it", true, seen(), { ...a, data: data({ timeline: 3 }) }],
    ["the primary with older data than recorded", false, seen(), { ...a, data: data({ timeline: 1 }) }],
    ["a standby while paused", false, seen({ paused }), b],
    [
      "a standby while paused, to whom it was given",
      true,
      seen({ paused }, { isReleased: true, isMeantForMe: true }),
      b,
    ],
    ["the primary while paused", true, seen({ paused }), a],
    ["another than the one that initialises", false, seen({ phase: "initialising", primary: "a" }), b],
    ["an entry of something else", false, "foreign", a],
    ["nothing yet: the first member without data", true, undefined, { ...a, data: { kind: "none" } }],
    ["nothing yet: another member without data", false, undefined, { ...b, data: { kind: "none" } }],
    [
      "nothing yet: the first member without data, another has some",
      false,
      undefined,
      { ...a, data: { kind: "none" }, timelinesOfOthers: { b: 2 } },
    ],
    ["nothing yet: data, others not heard", false, undefined, a],
    ["nothing yet: data, the others have none", true, undefined, { ...a, timelinesOfOthers: { b: 0 } }],
    ["nothing yet: data, another has newer", false, undefined, { ...a, timelinesOfOthers: { b: 3 } }],
    ["nothing yet: a standby's data", false, undefined, { ...a, data: data(), timelinesOfOthers: { b: 0 } }],
  ])("%s: %s", (_what, expected, lease, candidate) => {
    expect(mayTake(lease, candidate)).toBe(expected);
  });
});

describe("the entry", () => {
  it("names a new primary alone, with the loss recorded in the same swap (D3)", () => {
    expect(entryOnTaking(seen(), b, "shop", 77)).toEqual({
      ...entry,
      inSync: ["b"],
      primary: "b",
      phase: "promoting",
      degradedSince: 77,
    });
    expect(entryOnTaking(seen({ policy: "strict" }), b, "shop", 77).degradedSince).toBeUndefined();
  });
  it("keeps who is in sync when the same primary comes again", () => {
    expect(entryOnTaking(seen(), a, "shop", 77)).toEqual({ ...entry, phase: "promoting" });
    expect(entryOnTaking(seen(), { ...a, runsAs: "primary" }, "shop", 77)).toEqual(entry);
  });
  it("begins with one instance, and adopts what that has", () => {
    const first = { database: "shop", policy: "available", inSync: ["a"], phase: "initialising", primary: "a" };
    expect(entryOnTaking(undefined, { ...a, data: { kind: "none" } }, "shop", 77)).toEqual({ ...first, timeline: 0 });
    expect(entryOnTaking(undefined, a, "shop", 77)).toEqual({ ...first, timeline: 2, systemIdentifier: "1" });
  });
  it("is degraded from the loss of the last standby to the return of the first", () => {
    const alone = withoutStandby(entry, "b", 5);
    expect(alone).toMatchObject({ inSync: ["a"], degradedSince: 5 });
    expect(withoutStandby({ ...entry, inSync: ["a", "b", "c"] }, "b", 5).degradedSince).toBeUndefined();
    expect(withStandby(alone, "b")).toEqual(entry);
  });
});
