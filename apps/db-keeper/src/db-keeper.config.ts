import { databasePolicy, name } from "@understudy/contracts";
import type { PostgresAddress, PostgresTls } from "@understudy/engines";
import {
  authorityFileVariable,
  ConfigurationError,
  integerVariable,
  listVariable,
  portVariable,
  secretFileVariable,
  serviceVariables,
} from "@understudy/runtime";
import { z } from "zod";
import type { RolePasswords } from "./postgres/roles.ts";

/** `postgres-a=10.0.0.1:5432,postgres-b=10.0.0.2:5432`, as reached from this machine. */
const members = listVariable().transform((entries, context) => {
  const found: Record<string, PostgresAddress> = {};
  for (const entry of entries) {
    const [, member, host, port] = /^([^=]+)=(.+):(\d{1,5})$/.exec(entry) ?? [];
    if (member === undefined || host === undefined || !name.safeParse(member).success) {
      context.addIssue({ code: "custom", message: `${entry} does not look like postgres-a=host:5432` });
    } else if (member in found) {
      context.addIssue({ code: "custom", message: `${member} stands twice` });
    } else {
      found[member] = { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
    }
  }
  if (entries.length === 0) context.addIssue({ code: "custom", message: "needs at least the own instance" });
  return found;
});

const settings = z.string().transform((text, context): Record<string, string> => {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(text));
  } catch {
    context.addIssue({ code: "custom", message: 'must be JSON such as {"shared_buffers":"1GB"}' });
    return z.NEVER;
  }
});

/** The db-keeper's own variables, beside those that every service knows. */
export const dbKeeperVariables = {
  /** Name of the database; the role of its lease is `database-<name>`. */
  UNDERSTUDY_DATABASE: name,
  /** The PostgreSQL instance that this keeper runs, such as `postgres-a`. */
  UNDERSTUDY_MEMBER: name,
  /** All instances of the database. The first one initialises it when nobody has it yet. */
  UNDERSTUDY_MEMBERS: members,
  /** managed: starts, clones and promotes it. external: an operator's own HA does; it is observed only. */
  UNDERSTUDY_DATABASE_MODE: z.enum(["managed", "external"]).default("managed"),
  /** Of a new database; an existing one's is changed over NATS. */
  UNDERSTUDY_DATABASE_POLICY: databasePolicy.default("available"),
  /**
   * Each commit waits for so many of the standbys in sync (`ANY k`), the same for all keepers. All of them when not given:
   * then any one that is left may take over; with fewer, a slow one costs nothing, but n - k + 1 must be there for that.
   */
  UNDERSTUDY_DATABASE_SYNCHRONOUS: integerVariable(1, 15).optional(),
  UNDERSTUDY_POSTGRES_DATA_DIR: z.string().default("postgres"),
  /** Where PostgreSQL listens. */
  UNDERSTUDY_POSTGRES_HOST: z.string().default("127.0.0.1"),
  /** The port in UNDERSTUDY_MEMBERS by default. */
  UNDERSTUDY_POSTGRES_PORT: portVariable().optional(),
  UNDERSTUDY_POSTGRES_SUPERUSER: z.string().default("postgres"),
  /** The superuser's password, the same for all instances of the database. Below it the former one, while it is replaced. */
  UNDERSTUDY_DATABASE_PASSWORD_FILE: secretFileVariable().transform((text) => text.split(/\s*\n\s*/)),
  /** Folder of initdb and postgres; the ones that npm installed where not given. Read by `engines`. */
  UNDERSTUDY_POSTGRES_BIN_DIR: z.string().optional(),
  /** Passwords of the roles that others log in as: all of them, or none (then everybody with a password gets in). */
  UNDERSTUDY_OWNER_PASSWORD_FILE: secretFileVariable().optional(),
  UNDERSTUDY_APPLICATION_PASSWORD_FILE: secretFileVariable().optional(),
  UNDERSTUDY_REPLICATION_PASSWORD_FILE: secretFileVariable().optional(),
  UNDERSTUDY_BACKUP_PASSWORD_FILE: secretFileVariable().optional(),
  /** Certificate, key and whom to believe: all three, or none (then without TLS). */
  UNDERSTUDY_POSTGRES_CERTIFICATE_FILE: authorityFileVariable().optional(),
  UNDERSTUDY_POSTGRES_KEY_FILE: secretFileVariable().optional(),
  UNDERSTUDY_DATABASE_CA_FILE: authorityFileVariable().optional(),
  /** Settings of postgresql.conf over ours, as JSON. */
  UNDERSTUDY_POSTGRES_SETTINGS: settings.default({}),
  /** Name of the NATS node on this machine: the lease stream's Raft leader is kept off it (L6). */
  UNDERSTUDY_NATS_NODE: z.string().optional(),
  /**
   * Names of the NATS nodes on the machines of all instances. Losing a standby's machine needs a swap at once too, so the
   * Raft leader is kept off these where there is another node.
   */
  UNDERSTUDY_NATS_NODES_OF_MEMBERS: listVariable().default([]),
  /** A standby that does not stream for so long is taken out (policy `available`). */
  UNDERSTUDY_STANDBY_LOST_MS: integerVariable(200, 600_000).default(1_000),
  /** PostgreSQL without an answer for so long is killed. */
  UNDERSTUDY_POSTGRES_FROZEN_MS: integerVariable(500, 600_000).default(2_000),
} as const;

/** @throws ConfigurationError when some are given and some are not. */
export function rolePasswords(configuration: DbKeeperConfiguration): RolePasswords | undefined {
  const {
    UNDERSTUDY_OWNER_PASSWORD_FILE: owner,
    UNDERSTUDY_APPLICATION_PASSWORD_FILE: application,
    UNDERSTUDY_REPLICATION_PASSWORD_FILE: replication,
    UNDERSTUDY_BACKUP_PASSWORD_FILE: backup,
  } = configuration;
  if (owner !== undefined && application !== undefined && replication !== undefined && backup !== undefined)
    return { owner, application, replication, backup };
  if (owner ?? application ?? replication ?? backup)
    throw new ConfigurationError([
      "UNDERSTUDY_OWNER_PASSWORD_FILE, UNDERSTUDY_APPLICATION_PASSWORD_FILE, UNDERSTUDY_REPLICATION_PASSWORD_FILE and UNDERSTUDY_BACKUP_PASSWORD_FILE belong together: name all of them",
    ]);
  return undefined;
}

/** @throws ConfigurationError when some are given and some are not. */
export function postgresTls(configuration: DbKeeperConfiguration): PostgresTls | undefined {
  const {
    UNDERSTUDY_POSTGRES_CERTIFICATE_FILE: certificate,
    UNDERSTUDY_POSTGRES_KEY_FILE: key,
    UNDERSTUDY_DATABASE_CA_FILE: authority,
  } = configuration;
  if (certificate !== undefined && key !== undefined && authority !== undefined) return { certificate, key, authority };
  if (certificate ?? key ?? authority)
    throw new ConfigurationError([
      "UNDERSTUDY_POSTGRES_CERTIFICATE_FILE, UNDERSTUDY_POSTGRES_KEY_FILE and UNDERSTUDY_DATABASE_CA_FILE belong together: name all of them",
    ]);
  return undefined;
}

export type DbKeeperConfiguration = Readonly<z.infer<z.ZodObject<typeof serviceVariables & typeof dbKeeperVariables>>>;
