/** Requests that the active message server answers, and what it tells everybody. */
import { z } from "zod";
import { clusterRoles, versionedSettings } from "./cluster-configuration.ts";
import { defineEvent, defineRequest } from "./contract.ts";
import { evidence } from "./heartbeat.ts";
import { historyEntry } from "./history.ts";
import { instanceIdentity, instanceRef, leaderTerm, name } from "./identity.ts";

export const messageServerRole = "message-server";

/** Rises when a message between app server and message server changes its meaning. One version up and down is served. */
export const protocolVersion = 1;

/** "I lead": sent at once on election and several times a second; contact in the sense of the 30-second rule. */
export const leaderBeat = defineEvent({
  subject: "understudy.message-server.leading",
  sentBy: "message-server (leader)",
  event: z.object({ leader: leaderTerm, settingsVersion: z.int(), at: z.number() }),
});
export type LeaderBeat = z.infer<typeof leaderBeat.event>;

export const registration = z.object({
  instance: instanceIdentity,
  protocol: z.int(),
  /** Where load balancers reach it. */
  url: z.url(),
  capacity: z.int().positive(),
  applications: z.array(z.string()),
  /** How many workers it bears. */
  cpus: z.int().positive().optional(),
});
export type Registration = z.infer<typeof registration>;

/** Asked by an app server before it serves. Repeating it for the same incarnation gives the same answer. */
export const register = defineRequest({
  subject: "understudy.message-server.register",
  sentBy: "app-server",
  answeredBy: "leader",
  repeatable: true,
  request: registration,
  reply: z.discriminatedUnion("verdict", [
    z.object({ verdict: z.literal("accepted"), leader: leaderTerm, settings: versionedSettings }),
    z.object({
      verdict: z.literal("refused"),
      reason: z.enum([
        "protocol",
        "other-cluster",
        "not-allowed",
        "duplicate-id",
        "declared-lost",
        "database-unavailable",
      ]),
      message: z.string(),
      /** Absent: asking again is pointless without a change. */
      retryAfterMs: z.int().positive().optional(),
    }),
  ]),
});
export type RegisterReply = z.infer<typeof register.reply>;

/** A server that drains by itself (SIGTERM) or ends says so; its absence is no failure. */
export const deregister = defineRequest({
  subject: "understudy.message-server.deregister",
  sentBy: "app-server",
  answeredBy: "leader",
  repeatable: true,
  request: z.object({ instance: instanceRef, phase: z.enum(["draining", "left"]) }),
  reply: z.object({ leader: leaderTerm }),
});

export const registeredServer = registration.extend({
  state: z.enum(["accepting", "suspect", "draining", "lost", "left"]),
  since: z.number(),
  evidence: z.array(evidence),
});
export type RegisteredServer = z.infer<typeof registeredServer>;

export const clusterStatus = defineRequest({
  subject: "understudy.message-server.status",
  sentBy: "cli, cockpit",
  answeredBy: "leader",
  repeatable: true,
  request: z.object({}),
  reply: z.object({
    leader: leaderTerm,
    roles: clusterRoles,
    /** Whether this term stands in PostgreSQL: until then effects there wait (L2). */
    termInDatabase: z.boolean(),
    settingsVersion: z.int(),
    appServers: z.array(registeredServer),
    /** What would be too little if any one machine were lost, and what is too little now. */
    warnings: z.array(z.string()).default([]),
    /** Every instance that beats, of all kinds. */
    instances: z.array(
      z.object({
        instance: instanceIdentity,
        verdict: z.enum(["alive", "suspect", "silent", "lost"]),
        lastBeatMs: z.number(),
        load: z.number(),
        eventLoopLagMs: z.number(),
        residentBytes: z.number(),
        cpu: z.number(),
        ready: z.boolean(),
      }),
    ),
  }),
});
export type ClusterStatus = z.infer<typeof clusterStatus.reply>;

export const getConfiguration = defineRequest({
  subject: "understudy.message-server.configuration.get",
  sentBy: "cli, cockpit",
  answeredBy: "leader",
  repeatable: true,
  request: z.object({}),
  reply: z.object({ settings: versionedSettings, roles: clusterRoles }),
});

/** Compare-and-set. Refused with `conflict` when the version is no longer the expected one. */
export const setConfiguration = defineRequest({
  subject: "understudy.message-server.configuration.set",
  sentBy: "cli, cockpit",
  answeredBy: "leader",
  repeatable: true,
  request: z.object({
    expectedVersion: z.int().positive(),
    /** New for each change: a repeated request with an id already applied is answered as success. */
    changeId: z.uuid(),
    changedBy: z.string().min(1),
    /** Checked against `clusterSettings` by the message server, so that every fault is listed. */
    settings: z.unknown(),
  }),
  reply: z.object({
    settings: versionedSettings,
    /** Accepted all the same. */
    warnings: z.array(z.string()).default([]),
  }),
});

const addressed = z.object({ id: name, reason: z.string().optional() });
export const drainServer = defineRequest({
  subject: "understudy.message-server.drain",
  sentBy: "cli, cockpit",
  answeredBy: "leader",
  repeatable: true,
  request: addressed,
  reply: z.object({ server: registeredServer }),
});
export const resumeServer = defineRequest({
  subject: "understudy.message-server.resume",
  sentBy: "cli, cockpit",
  answeredBy: "leader",
  repeatable: true,
  request: addressed,
  reply: z.object({ server: registeredServer }),
});

/** Hands leadership over on purpose; answered by the old leader once the new one holds the lease. */
export const switchover = defineRequest({
  subject: "understudy.message-server.switchover",
  sentBy: "cli, cockpit",
  answeredBy: "leader",
  repeatable: false,
  request: z.object({ to: name.optional() }),
  reply: z.object({ from: leaderTerm, to: leaderTerm }),
});

export const readHistory = defineRequest({
  subject: "understudy.message-server.history",
  sentBy: "cli, cockpit",
  answeredBy: "leader",
  repeatable: true,
  request: z.object({ limit: z.int().min(1).max(1_000).default(50) }),
  reply: z.object({ entries: z.array(historyEntry) }),
});
