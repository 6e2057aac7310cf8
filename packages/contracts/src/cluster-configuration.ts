/** The cluster configuration: versioned, in NATS KV, edited with compare-and-set. Owned by the message server. */
import { z } from "zod";
import { name } from "./identity.ts";
import { workQueueSettingsAs, type ObjectForm } from "./work-queue-settings.ts";

const milliseconds = (least: number, most: number, standard: number) => z.int().min(least).max(most).default(standard);

const clusterSettingsAs = (object: ObjectForm) =>
  object({
    appServers: object({
      /** An app server cut off from every message server or from NATS ends itself after this time (DESIGN 4). */
      cutOffAfterMs: milliseconds(1_000, 600_000, 30_000),
      /** Silence through every NATS node before an instance may be declared lost. */
      lostAfterMs: milliseconds(1_000, 60_000, 3_000),
      /** How long a draining server may finish what it has. */
      drainMs: milliseconds(0, 600_000, 20_000),
      /** Ids that may register; empty: any. */
      allowed: z.array(name).default([]),
    }).prefault({}),
    loadBalancers: object({
      /** How long a request is held while no app server can serve. */
      holdMs: milliseconds(0, 60_000, 10_000),
      /** How many requests one balancer holds; more are answered 503 at once. */
      holdRequests: z.int().min(0).max(100_000).default(1_000),
      /** Longest time for a whole answer of an app server. */
      answerMs: milliseconds(100, 3_600_000, 60_000),
    }).prefault({}),
    heartbeat: object({
      beatMs: milliseconds(50, 5_000, 250),
      probeMs: milliseconds(50, 5_000, 200),
    }).prefault({}),
    /** Background work: queues, and which app server has how many workers of each. */
    workQueues: workQueueSettingsAs(object).prefault({}),
  }).refine((settings) => settings.appServers.lostAfterMs >= 4 * settings.heartbeat.beatMs, {
    path: ["appServers", "lostAfterMs"],
    message: "must be at least four beats (heartbeat.beatMs), or a healthy server would be declared lost",
  });

/** What an operator sets. Every field has a default; unknown fields are refused. */
export const clusterSettings = clusterSettingsAs(z.strictObject);
export type ClusterSettings = z.infer<typeof clusterSettings>;

export const defaultClusterSettings = (): ClusterSettings => clusterSettings.parse({});

/** The stored form of the settings. `version` rises by one with each accepted change. */
export const versionedSettings = z.object({
  version: z.int().positive(),
  term: z.int().nonnegative(),
  changedAt: z.string(),
  changedBy: z.string(),
  /** Ids of the latest changes, newest first: tells a repeated request from a second editor. */
  changeIds: z.array(z.string()).max(50),
  /** During an upgrade a newer message server's, with settings that are not known here: kept, not refused. */
  settings: clusterSettingsAs(z.looseObject),
});
export type VersionedSettings = z.infer<typeof versionedSettings>;

/** Who is message server and who alternate; swapped at a takeover (L7). */
export const clusterRoles = z.object({
  term: z.int().nonnegative(),
  messageServer: name,
  alternates: z.array(name),
  since: z.string(),
});
export type ClusterRoles = z.infer<typeof clusterRoles>;

/** KV bucket and keys. */
export const configurationBucket = "understudy_configuration";
export const settingsKey = "settings";
export const rolesKey = "roles";
