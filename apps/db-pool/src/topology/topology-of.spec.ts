import { databaseTopology, type DatabaseEntry, type DatabaseLease, type KeeperState } from "@understudy/contracts";
import { lagBytes } from "./log-position.ts";
import type { InstanceFacts, Sight, TopologyFacts } from "./topology-facts.ts";
import { essenceOf, topologyOf } from "./topology-of.ts";

const incarnation = "01980f2e-7a54-7c3e-9f0a-6f3f4f1f2a10";
const system = "7412345678901234567";

const entry = (change: Partial<DatabaseEntry> = {}): DatabaseEntry => ({
  database: "shop",
  policy: "available",
  inSync: ["postgres-a", "postgres-b"],
  phase: "open",
  primary: "postgres-a",
  timeline: 3,
  systemIdentifier: system,
  ...change,
});
const lease = (content: DatabaseEntry = entry(), term = 5): DatabaseLease => ({
  term,
  holder: { id: "db-keeper-a", incarnation, machine: "machine-a" },
  status: "held",
  content,
});
const sight = (change: Partial<Sight> = {}): Sight => ({
  inRecovery: false,
  timeline: 3,
  systemIdentifier: system,
  position: "0/5000000",
  replayed: undefined,
  streams: false,
  ...change,
});
const standby = (change: Partial<Sight> = {}): Sight =>
  sight({ inRecovery: true, streams: true, position: "0/4FFFF00", replayed: "0/4FFF000", ...change });
const seen = (id: string, of: Sight): InstanceFacts => ({ id, sight: of, reason: undefined });
const unseen = (id: string): InstanceFacts => ({ id, sight: undefined, reason: "connection refused" });
const keeper = (member: string, change: Partial<KeeperState> = {}): KeeperState => ({
  keeper: { id: `db-keeper-${member.at(-1)}`, incarnation },
  machine: `machine-${member.at(-1)}`,
  database: "shop",
  member,
  role: "standby",
  state: "streaming",
  term: 5,
  timeline: 3,
  at: 1,
  ...change,
});
const facts = (change: Partial<TopologyFacts> = {}): TopologyFacts => ({
  database: "shop",
  lease: lease(),
  keepers: [],
  instances: [seen("postgres-a", sight()), seen("postgres-b", standby())],
  now: 1_000,
  ...change,
});
const member = (of: TopologyFacts, id: string) => topologyOf(of).members.find((one) => one.id === id);

describe("topologyOf", () => {
  it("names primary, standby, lag and who is in sync", () => {
    const topology = databaseTopology.parse(topologyOf(facts()));
    expect(topology).toMatchObject({ term: 5, timeline: 3, primary: "postgres-a", phase: "open" });
    expect(topology.members).toEqual([
      expect.objectContaining({ id: "postgres-a", role: "primary", state: "running", inSync: true }),
      expect.objectContaining({ id: "postgres-b", role: "standby", state: "streaming", lagBytes: 256, inSync: true }),
    ]);
  });

  it.each(["initialising", "promoting"] as const)("names no primary while the entry is %s", (phase) => {
    expect(topologyOf(facts({ lease: lease(entry({ phase })) })).primary).toBeUndefined();
  });

  it("names no primary that does not answer and whose keeper is silent", () => {
    const of = facts({ instances: [unseen("postgres-a"), seen("postgres-b", standby())] });
    expect(topologyOf(of).primary).toBeUndefined();
    expect(member(of, "postgres-a")).toMatchObject({ role: "none", state: "unreachable" });
  });

  it("believes the keeper of a primary that only we do not reach", () => {
    const of = facts({
      instances: [unseen("postgres-a"), seen("postgres-b", standby())],
      keepers: [keeper("postgres-a", { role: "primary", state: "running", position: "0/5000100" })],
    });
    expect(topologyOf(of).primary).toBe("postgres-a");
    expect(member(of, "postgres-a")?.note).toContain("connection refused");
    expect(member(of, "postgres-b")?.lagBytes).toBe(512);
  });

  it("never names a zombie: a primary on an older timeline than the entry's", () => {
    const of = facts({
      lease: lease(entry({ primary: "postgres-b", timeline: 4, inSync: ["postgres-b"] }), 6),
      instances: [seen("postgres-a", sight({ timeline: 3 })), seen("postgres-b", sight({ timeline: 4 }))],
    });
    expect(topologyOf(of)).toMatchObject({ primary: "postgres-b", timeline: 4 });
    expect(member(of, "postgres-a")).toMatchObject({ role: "none", inSync: false });
    expect(member(of, "postgres-a")?.note).toContain("zombie");
  });

  it("never names a server of another database", () => {
    const of = facts({ instances: [seen("postgres-a", sight({ systemIdentifier: "1" }))] });
    expect(topologyOf(of).primary).toBeUndefined();
    expect(member(of, "postgres-a")).toMatchObject({ role: "none", state: "failed" });
  });

  it("says so when another one than the entry's answers as primary", () => {
    const of = facts({ instances: [seen("postgres-a", sight()), seen("postgres-b", sight({ timeline: 4 }))] });
    expect(topologyOf(of).primary).toBe("postgres-a");
    expect(member(of, "postgres-b")?.note).toContain("the entry names postgres-a");
  });

  it("tells what a keeper is doing while its server cannot be asked, with the progress", () => {
    const of = facts({
      instances: [seen("postgres-a", sight()), unseen("postgres-b")],
      keepers: [keeper("postgres-b", { role: "none", state: "cloning", progress: { doneBytes: 30, totalBytes: 120 } })],
    });
    expect(member(of, "postgres-b")).toMatchObject({ state: "cloning", machine: "machine-b", note: "25 % copied" });
  });

  it("without an entry takes the one primary on the highest timeline, and of two equals none", () => {
    const own = (a: Sight, b: Sight) =>
      topologyOf(facts({ lease: undefined, instances: [seen("one", a), seen("two", b)] }));
    expect(own(sight(), standby())).toMatchObject({ primary: "one", timeline: 3, term: 0, phase: "open" });
    expect(own(sight(), sight({ timeline: 4 })).primary).toBe("two");
    expect(own(sight(), sight()).primary).toBeUndefined();
    expect(own(standby(), standby()).primary).toBeUndefined();
  });

  it("carries on what an operator must see: degraded, paused, policy", () => {
    const paused = { since: 7, reason: "maintenance" };
    expect(topologyOf(facts({ lease: lease(entry({ policy: "strict", degradedSince: 9, paused })) }))).toMatchObject({
      policy: "strict",
      degradedSince: 9,
      paused,
    });
  });
});

describe("essenceOf", () => {
  it("is the same while only positions move, and another one when a state changes", () => {
    const before = topologyOf(facts());
    const moved = topologyOf(
      facts({
        instances: [seen("postgres-a", sight({ position: "0/6000000" })), seen("postgres-b", standby())],
        now: 2,
      }),
    );
    expect(essenceOf(moved)).toBe(essenceOf(before));
    const stopped = topologyOf(
      facts({ instances: [seen("postgres-a", sight()), seen("postgres-b", standby({ streams: false }))] }),
    );
    expect(essenceOf(stopped)).not.toBe(essenceOf(before));
  });
});

describe("lagBytes", () => {
  it("counts across the halves of a position and never below zero", () => {
    expect(lagBytes("1/0", "0/FFFFFFFF")).toBe(1);
    expect(lagBytes("0/10", "0/20")).toBe(0);
  });
});
