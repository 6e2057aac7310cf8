/**
 * The roles of a database beside the keepers' own: none of them is a superuser, and the superuser itself has no way in
 * from outside. Made with the database; a primary that starts with other passwords (they were rotated) gives them anew.
 */
import { applicationRole, backupRole, ownerRole, replicationRole } from "@understudy/contracts";
import type { AdmittedRoles } from "@understudy/engines";
import { applicationPrivileges } from "@understudy/runtime";
import type { ClientBase } from "pg";

export interface RolePasswords {
  /** Owns the database: changes its schema. */
  readonly owner: string;
  /** Reads and changes rows of what the owner made; no more. */
  readonly application: string;
  /** What standbys get their log as. */
  readonly replication: string;
  /** Copies whole instances. */
  readonly backup: string;
}

export const admittedRoles = (database: string): AdmittedRoles => ({
  database,
  clients: [ownerRole, applicationRole],
  backup: backupRole,
});

export async function setPassword(client: ClientBase, role: string, password: string): Promise<void> {
  await client.query(`ALTER ROLE ${client.escapeIdentifier(role)} PASSWORD ${client.escapeLiteral(password)}`);
}

/** Makes what is missing and sets all passwords; nothing of it waits for a standby. */
export async function equipRoles(client: ClientBase, database: string, passwords: RolePasswords): Promise<void> {
  const roles = [
    [ownerRole, "LOGIN", passwords.owner],
    [applicationRole, "LOGIN", passwords.application],
    [replicationRole, "LOGIN REPLICATION", passwords.replication],
    [backupRole, "LOGIN REPLICATION", passwords.backup],
  ] as const;
  for (const [role, attributes, password] of roles) {
    const { rowCount } = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [role]);
    const verb = rowCount === 0 ? "CREATE" : "ALTER";
    await client.query(
      `${verb} ROLE ${role} NOSUPERUSER NOCREATEROLE NOCREATEDB ${attributes} PASSWORD ${client.escapeLiteral(password)}`,
    );
  }
  const name = client.escapeIdentifier(database);
  await client.query(`
    ALTER DATABASE ${name} OWNER TO ${ownerRole};
    REVOKE ALL ON DATABASE ${name} FROM PUBLIC;
    GRANT CONNECT, TEMPORARY ON DATABASE ${name} TO ${applicationRole};
    -- Positions, standbys and sessions, for db-pools and the pools' own look at a server.
    GRANT pg_monitor TO ${ownerRole}, ${applicationRole};
    ${applicationPrivileges(ownerRole, applicationRole)}
  `);
}
