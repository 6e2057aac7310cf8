/** Bugs that the tests must catch: what stands in the code, what it is made into, and the tests that must fail then. */

export interface PlantedBug {
  /** What somebody might do, in words. */
  readonly name: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly right: string;
  readonly wrong: string;
  readonly test: {
    readonly path: string;
    /** A pattern for the names of the tests to run; all of the file when absent. */
    readonly name?: string;
  };
}

const pool = "packages/failover-pool";
const keeper = "apps/db-keeper";
const simulationOfKeepers = { path: `${keeper}/src/decision/keeper.simulation.spec.ts` };

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: "the pool takes a primary of an older timeline (skip the timeline check)",
    file: `${pool}/src/primary/choose-primary.ts`,
    right: "if (facts.timeline < seen.timeline)",
    wrong: "if (facts.timeline < 0)",
    test: { path: `${pool}/src/primary/choose-primary.spec.ts` },
  },
  {
    name: "the pool writes to a stranger",
    file: `${pool}/src/primary/choose-primary.ts`,
    right: "if (seen.system !== undefined && facts.system !== seen.system)\n    return",
    wrong: "if (facts.system === undefined)\n    return",
    test: { path: `${pool}/src/primary/choose-primary.spec.ts` },
  },
  {
    name: "a COMMIT is called committed before a replicated write stands behind it",
    file: `${pool}/src/continuity/outcome-resolver.ts`,
    right: "  await confirmReplicated(connection, sql, commit);\n  return rows",
    wrong: "  return rows",
    test: { path: `${pool}/src/continuity/forced-outcome.simulation.spec.ts`, name: "10,000 histories" },
  },
  {
    name: "the outcome of a COMMIT is looked up and not forced",
    file: `${pool}/src/continuity/marker-table.ts`,
    right: "VALUES ($1, $2, true, $3, $4) ON CONFLICT DO NOTHING`,",
    wrong: "SELECT $1::uuid, $2::int, true, $3::int, $4::bigint WHERE false`,",
    test: { path: `${pool}/test/forced-outcome.int.spec.ts`, name: "arrives behind the tombstone" },
  },
  {
    name: "a tombstone is pruned while the session that it is against still lives",
    file: `${pool}/src/continuity/marker-table.ts`,
    right: "AND (NOT o.is_tombstone OR NOT ${sessionLives})`,",
    wrong: "`,",
    test: { path: `${pool}/test/forced-outcome.int.spec.ts`, name: "pruned" },
  },
  {
    name: "a cancelled wait for the standby is taken for an answer",
    file: `${pool}/src/client/statement-runner.ts`,
    right: "if (connection?.syncWaitWasCancelled === true) {",
    wrong: "if (connection === undefined) {",
    test: { path: `${pool}/test/forced-outcome.int.spec.ts`, name: "cancelled wait" },
  },
  {
    name: "a replay is not compared with what the caller saw",
    file: `${pool}/src/client/replay.ts`,
    right: "if (query.digest?.isSame(recorded.digest) === true) continue;",
    wrong: "if (error === undefined) continue;",
    test: { path: `${pool}/test/typeorm.int.spec.ts`, name: "changed between run and replay" },
  },
  {
    name: "a write without a marker is simply sent again",
    file: `${pool}/src/client/loss-plan.ts`,
    right: 'if (sentAs === "plain" && loss.wasSent) return { do: "tell-unknown" };',
    wrong: 'if (sentAs === "plain" && loss.wasSent) return { do: "send-again" };',
    test: { path: `${pool}/src/client/loss-plan.spec.ts` },
  },
  {
    name: "a SELECT that calls a volatile function passes for a read",
    file: `${pool}/src/client/loss-plan.ts`,
    right: 'return { do: "prove-then-send" };',
    wrong: 'return { do: "send-again" };',
    test: { path: `${pool}/src/client/loss-plan.spec.ts` },
  },
  {
    name: "an instance that is not recorded as in sync is promoted",
    file: `${keeper}/src/decision/entry-rules.ts`,
    right: "if (!entry.inSync.includes(member)) return false;",
    wrong: "",
    test: simulationOfKeepers,
  },
  {
    name: "a stale clone is promoted",
    file: `${keeper}/src/decision/entry-rules.ts`,
    right: "if (data.timeline < entry.timeline || (data.timeline > entry.timeline && !isOwn)) return false;",
    wrong: "",
    test: { path: `${keeper}/src/decision/entry-rules.spec.ts` },
  },
  {
    name: "PostgreSQL stops waiting for a standby before the entry says so",
    file: `${keeper}/src/decision/keeper-step.ts`,
    right:
      'return { do: "record-without", member: lost, synchronous: Math.max(0, count - 1) }; // D2: out of the entry first',
    wrong:
      'return same(postgres.waitsFor, { count: 0, standbys: [] }) ? { do: "record-without", member: lost, synchronous: Math.max(0, count - 1) } : { do: "set-waits", waitsFor: { count: 0, standbys: [] } };',
    test: simulationOfKeepers,
  },
  {
    name: "a standby stands in the entry before PostgreSQL waits for it",
    file: `${keeper}/src/decision/keeper-step.ts`,
    right:
      'if (!same(postgres.waitsFor, wanted)) return { do: "set-waits", waitsFor: wanted }; // D2: into PostgreSQL first',
    wrong: 'return { do: "record-with", member: joining.member };',
    test: simulationOfKeepers,
  },
  {
    name: "clients are let in after a crash before what recovery brought up is replicated",
    file: `${keeper}/src/decision/keeper-step.ts`,
    right: 'required.standbys.length === 0 || entry.phase === "initialising" ? "open" : "closed";',
    wrong: '"open";',
    test: simulationOfKeepers,
  },
  {
    name: "a primary of an older term goes on",
    file: `${keeper}/src/decision/keeper-step.ts`,
    right: 'if (lease.holder !== "me") return `term ${lease.term} belongs to ${lease.entry.primary}`;',
    wrong: 'if (lease.holder !== "me") return undefined;',
    test: simulationOfKeepers,
  },
];
