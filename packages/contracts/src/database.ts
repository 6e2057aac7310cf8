/**
 * One replicated database: the entry that decides (D2), what keepers tell, what db-pools publish and answer.
 * The entry is the content of the lease of `databaseRole(database)`; the holder of that lease is a db-keeper, and the
 * primary is the PostgreSQL instance beside it.
 */
import { z } from "zod";
import { defineEvent, defineRequest } from "./contract.ts";
import { evidence } from "./heartbeat.ts";
import { instanceRef, leaderTerm, name } from "./identity.ts";

export const databaseRole = (database: string): string => `database-${database}`;

/** Roles of PostgreSQL that are not the keepers': none is a superuser. The owner changes the schema, the application rows. */
export const ownerRole = "understudy_owner";
export const applicationRole = "understudy_application";
export const replicationRole = "understudy_replication";
export const backupRole = "understudy_backup";

/** strict: without a second instance in sync nothing commits. available: it does, after the loss was recorded (D3). */
export const databasePolicy = z.enum(["strict", "available"]);
export type DatabasePolicy = z.infer<typeof databasePolicy>;

/** A position in the write-ahead log, as PostgreSQL prints it: `0/3000148`. */
export const logPosition = z.string().regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/);

/** Each change is one compare-and-swap of the whole lease entry (D2). */
export const databaseEntry = z.object({
  database: name,
  policy: databasePolicy,
  /** PostgreSQL instances that have every acknowledged commit, the primary included. Only these may be promoted (D1). */
  inSync: z.array(name),
  /** Each commit waits for so many of the standbys in sync; all of them when absent (D3, `ANY k`). */
  synchronous: z.int().nonnegative().optional(),
  /** initialising: no data yet. promoting: elected, not writable yet. open: writable. */
  phase: z.enum(["initialising", "promoting", "open"]),
  /** The holder's PostgreSQL instance. */
  primary: name,
  /** Of the primary; rises with each promotion. 0 before the first start. */
  timeline: z.int().nonnegative(),
  /** Tells this database from every other one; absent while initialising. */
  systemIdentifier: z.string().optional(),
  /** Wall clock since which the primary is alone; set in the same swap that takes the last standby out. */
  degradedSince: z.number().optional(),
  /** Set by an operator: no failover by itself until `resume`. */
  paused: z.object({ since: z.number(), reason: z.string() }).optional(),
});
export type DatabaseEntry = z.infer<typeof databaseEntry>;

/** The lease's KV entry as others than keepers read it; `packages/leadership` owns its form. */
export const databaseLeaseBucket = (database: string): string => `understudy_lease_${databaseRole(database)}`;
export const databaseLeaseKey = "lease";
export const databaseLease = z.object({
  term: z.int().positive(),
  holder: instanceRef.extend({ machine: name }),
  status: z.enum(["held", "released"]),
  content: databaseEntry,
});
export type DatabaseLease = z.infer<typeof databaseLease>;

export const memberRole = z.enum(["primary", "standby", "none"]);
export const memberState = z.enum([
  "stopped",
  "starting",
  "initialising",
  "cloning",
  "streaming",
  "catching-up",
  "promoting",
  "running",
  "fenced",
  "failed",
]);

/** What a keeper knows of its PostgreSQL, several times a second and at once on a change. */
export const keeperState = defineEvent({
  subject: "understudy.db-keeper.state.{id}",
  sentBy: "db-keeper",
  event: z.object({
    keeper: instanceRef,
    machine: name,
    database: name,
    /** Such as `postgres-a`. */
    member: name,
    role: memberRole,
    state: memberState,
    /** Of the newest entry the keeper has seen. */
    term: z.int().nonnegative(),
    timeline: z.int().nonnegative(),
    /** Primary: written. Standby: received and flushed. */
    position: logPosition.optional(),
    /** Standby: replayed. */
    replayed: logPosition.optional(),
    /** While something long is under way. */
    progress: z.object({ doneBytes: z.number(), totalBytes: z.number() }).optional(),
    /** In a sentence, where something is not as it should be. */
    note: z.string().optional(),
    at: z.number(),
  }),
});
export type KeeperState = z.infer<typeof keeperState.event>;

/**
 * "Writes go here now": sent by the keeper the moment its PostgreSQL accepts them. A hint for pools, which look for
 * themselves (never needed, never believed over the database). Newer = higher (term, timeline).
 */
export const primaryChanged = defineEvent({
  subject: "understudy.database.primary",
  sentBy: "db-keeper (holder), db-pool repeats the newest on a change of its topology",
  event: z.object({
    database: name,
    term: z.int().positive(),
    timeline: z.int().positive(),
    primary: name,
    at: z.number(),
  }),
});
export type PrimaryChanged = z.infer<typeof primaryChanged.event>;

export const databaseMember = z.object({
  id: name,
  machine: name.optional(),
  role: memberRole,
  state: memberState.or(z.enum(["unreachable"])),
  timeline: z.int().nonnegative().optional(),
  position: logPosition.optional(),
  replayed: logPosition.optional(),
  /** Behind the primary; absent where unknown. */
  lagBytes: z.number().nonnegative().optional(),
  /** Whether the entry names it as in sync. */
  inSync: z.boolean(),
  note: z.string().optional(),
});
export type DatabaseMember = z.infer<typeof databaseMember>;

export const databaseTopology = z.object({
  database: name,
  term: z.int().nonnegative(),
  timeline: z.int().nonnegative(),
  primary: name.optional(),
  policy: databasePolicy,
  phase: databaseEntry.shape.phase,
  degradedSince: z.number().optional(),
  paused: databaseEntry.shape.paused,
  members: z.array(databaseMember),
  at: z.number(),
});
export type DatabaseTopology = z.infer<typeof databaseTopology>;

/** Published on each change and every second; the newest is kept in KV (`topologyBucket`, key: the database). */
export const topologyPublished = defineEvent({
  subject: "understudy.db-pool.topology",
  sentBy: "db-pool",
  event: databaseTopology,
});
export const topologyBucket = "understudy_topology";

/** One failover-pool's figures since its process began, every few seconds. */
export const poolFigures = defineEvent({
  subject: "understudy.db-pool.figures.{id}",
  sentBy: "every service with a failover-pool",
  event: z.object({
    instance: instanceRef,
    database: name,
    primary: name.optional(),
    open: z.int().nonnegative(),
    idle: z.int().nonnegative(),
    /** Callers held because no primary is known. */
    held: z.int().nonnegative(),
    retries: z.int().nonnegative(),
    replays: z.int().nonnegative(),
    resolvedCommitted: z.int().nonnegative(),
    resolvedNotCommitted: z.int().nonnegative(),
    unresolved: z.int().nonnegative(),
    /** Milliseconds in which no primary was known, in all. */
    withoutPrimaryMs: z.number().nonnegative(),
  }),
});
export type PoolFigures = z.infer<typeof poolFigures.event>;

/** A COMMIT whose answer was lost, and how it ended (P4). */
export const inDoubtCommit = z.object({
  instance: instanceRef,
  database: name,
  operation: z.uuid(),
  attempt: z.int().positive(),
  since: z.number(),
  outcome: z.enum(["open", "committed", "not-committed", "unknown"]),
  endedAt: z.number().optional(),
});
export const commitInDoubt = defineEvent({
  subject: "understudy.db-pool.in-doubt",
  sentBy: "every service with a failover-pool, when a COMMIT falls into doubt and again when it is resolved",
  event: inDoubtCommit,
});
export type InDoubtCommit = z.infer<typeof inDoubtCommit>;
/** Keeps what was said of commits in doubt, so that a db-pool that starts later knows it too. */
export const inDoubtStream = "UNDERSTUDY_IN_DOUBT";

/** What happened to a database: kept in `databaseHistoryStream`, read together with the cluster's history. */
export const databaseHistoryEntry = z.object({
  type: z.literal("database"),
  at: z.number(),
  term: z.int().nonnegative(),
  writtenBy: instanceRef,
  database: name,
  event: z.enum([
    "initialised",
    "failover",
    "switchover",
    "restarted",
    "degraded",
    "protected",
    "standby-joined",
    "standby-left",
    "fenced",
    "paused",
    "resumed",
    "policy-changed",
  ]),
  from: name.optional(),
  to: name.optional(),
  evidence: z.array(evidence),
  /** Milliseconds from the failure (or its last sign of life) to each phase. */
  phases: z
    .object({
      failedAt: z.number().optional(),
      noticedAt: z.number(),
      electedAt: z.number(),
      promotedAt: z.number(),
    })
    .optional(),
  summary: z.string(),
});
export type DatabaseHistoryEntry = z.infer<typeof databaseHistoryEntry>;
export const databaseHistoryStream = "UNDERSTUDY_DATABASE_HISTORY";
export const databaseHistorySubject = "understudy.database.history";

/**
 * Asked of the keepers of other standbys by one that would take over where commits wait for some of several (D3): stop
 * receiving until the lease changes, and say how far you have come. `{id}` is the keeper.
 */
export const confirmStopped = defineRequest({
  subject: "understudy.db-keeper.{id}.confirm-stopped",
  sentBy: "db-keeper",
  answeredBy: "instance",
  repeatable: true,
  request: z.object({
    database: name,
    /** Of the lease that would be taken. The promise holds until the lease has a newer one. */
    revision: z.int().positive(),
  }),
  reply: z.object({ member: name, timeline: z.int().nonnegative(), flushedAt: logPosition }),
});

const ofDatabase = z.object({ database: name });

/** Asked of the keeper that holds the database's lease; `{id}` is the database. */
export const switchPrimary = defineRequest({
  subject: "understudy.db-keeper.{id}.switchover",
  sentBy: "db-pool",
  answeredBy: "leader",
  repeatable: false,
  request: z.object({ to: name.optional() }),
  reply: z.object({ from: name, to: name, term: z.int().positive(), pauseMs: z.number() }),
});
export const changeEntry = defineRequest({
  subject: "understudy.db-keeper.{id}.change",
  sentBy: "db-pool",
  answeredBy: "leader",
  repeatable: true,
  request: z.discriminatedUnion("change", [
    z.object({ change: z.literal("pause"), reason: z.string() }),
    z.object({ change: z.literal("resume") }),
    z.object({ change: z.literal("policy"), policy: databasePolicy }),
  ]),
  reply: z.object({ leader: leaderTerm, entry: databaseEntry }),
});

/** Answered by either db-pool. */
const dbPoolRequest = { sentBy: "cli, cockpit", answeredBy: "any", repeatable: true } as const;
export const databaseStatus = defineRequest({
  ...dbPoolRequest,
  subject: "understudy.db-pool.status",
  request: z.object({}),
  reply: z.object({
    databases: z.array(databaseTopology),
    pools: z.array(poolFigures.event),
    inDoubt: z.array(inDoubtCommit),
  }),
});
export type DatabaseStatus = z.infer<typeof databaseStatus.reply>;
export const databaseHistory = defineRequest({
  ...dbPoolRequest,
  subject: "understudy.db-pool.history",
  request: z.object({ limit: z.int().min(1).max(1_000).default(50) }),
  reply: z.object({ entries: z.array(databaseHistoryEntry) }),
});
export const changeDatabase = defineRequest({
  ...dbPoolRequest,
  subject: "understudy.db-pool.change",
  request: ofDatabase.extend({ change: changeEntry.request }),
  reply: changeEntry.reply,
});
export const switchDatabase = defineRequest({
  ...dbPoolRequest,
  repeatable: false,
  subject: "understudy.db-pool.switchover",
  request: ofDatabase.extend({ to: name.optional() }),
  reply: switchPrimary.reply,
});
