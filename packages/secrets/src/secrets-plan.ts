/** What a cluster has that needs secrets. */
import { natsUsers, name, type NatsUser } from "@understudy/contracts";
import { z } from "zod";

/** A NATS node or PostgreSQL instance and where the others find it. */
export const member = z.object({ name, host: z.string().min(1) });
export type Member = z.infer<typeof member>;

export const secretsPlan = z.object({
  cluster: name,
  nats: z.array(member).min(1),
  postgres: z.array(member),
  /** Names of the databases: each has a lease of its own in NATS. */
  databases: z.array(name).min(1),
  /** Names by which users reach the load balancers. */
  edge: z.array(z.string().min(1)).min(1),
});
export type SecretsPlan = z.infer<typeof secretsPlan>;

/** Roles of PostgreSQL that have a password. `owner` changes the schema, `application` only data. */
export const databaseRoles = ["superuser", "owner", "application", "replication", "backup"] as const;
export type DatabaseRole = (typeof databaseRoles)[number];

export const secretKinds = [
  "authority",
  "nats-users",
  "nats-routes",
  "nats-certificates",
  "postgres-certificates",
  "postgres-superuser",
  "postgres-passwords",
  "edge-certificate",
] as const;
export type SecretKind = (typeof secretKinds)[number];

export const keyUsers: readonly (NatsUser | "system")[] = [...natsUsers, "system"];
export type KeyUser = NatsUser | "system";
