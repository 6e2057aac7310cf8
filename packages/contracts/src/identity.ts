import { z } from "zod";

export const serviceKind = z.enum([
  "message-server",
  "app-server",
  "load-balancer",
  "heartbeat-monitor",
  "db-keeper",
  "db-pool",
]);
export type ServiceKind = z.infer<typeof serviceKind>;

/** Ids, machines and sites appear in NATS subjects, file names and metrics: lower case, digits, hyphens. */
export const name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, "lower-case letters, digits and inner hyphens, at most 64");

/** One running process of a service. The incarnation is new at every start and sorts by time (UUIDv7). */
export const instanceRef = z.object({ id: name, incarnation: z.uuid() });
export type InstanceRef = z.infer<typeof instanceRef>;

export const instanceIdentity = instanceRef.extend({
  kind: serviceKind,
  cluster: name,
  site: name,
  machine: name,
});
export type InstanceIdentity = z.infer<typeof instanceIdentity>;

/** A leader's right to act: the term and the incarnation that holds it (L2). */
export const leaderTerm = z.object({ term: z.int().positive(), holder: instanceRef });
export type LeaderTerm = z.infer<typeof leaderTerm>;
