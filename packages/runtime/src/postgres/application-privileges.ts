/**
 * What the application's login may do with what the owner makes: read and change rows, nothing else. As SQL for a
 * superuser, who gives it with the database; it may be repeated.
 *
 * Most of it are default privileges, which count for what the owner makes from then on, in whichever schema. The rest
 * is for what came by another way, such as a dump that was restored by somebody else.
 */
const plain = /^[a-z_][a-z0-9_]*$/;

/** @throws TypeError for a name that would need quoting. */
export function applicationPrivileges(owner: string, application: string): string {
  for (const role of [owner, application]) {
    if (!plain.test(role)) throw new TypeError(`"${role}" is no plain lower-case name of a role`);
  }
  const defaults = `ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} GRANT`;
  return `
    ${defaults} USAGE ON SCHEMAS TO ${application};
    ${defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${application};
    ${defaults} USAGE, SELECT ON SEQUENCES TO ${application};
    ${defaults} EXECUTE ON ROUTINES TO ${application};
    ${defaults} USAGE ON TYPES TO ${application};
    DO $$
    DECLARE one record;
    BEGIN
      FOR one IN SELECT oid::regnamespace AS name FROM pg_namespace
        WHERE nspowner = '${owner}'::regrole AND NOT has_schema_privilege('${application}', oid, 'USAGE')
      LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO ${application}', one.name);
      END LOOP;
      -- Views and sequences too. One call per right: named together, any one of them would do.
      FOR one IN SELECT oid::regclass AS name, relkind = 'S' AS is_sequence FROM pg_class
        WHERE relowner = '${owner}'::regrole AND CASE
          WHEN relkind = 'S' THEN NOT has_sequence_privilege('${application}', oid, 'USAGE')
          WHEN relkind IN ('r', 'p', 'v', 'm', 'f') THEN NOT (
            has_table_privilege('${application}', oid, 'SELECT') AND has_table_privilege('${application}', oid, 'INSERT')
            AND has_table_privilege('${application}', oid, 'UPDATE') AND has_table_privilege('${application}', oid, 'DELETE'))
          ELSE false END
      LOOP
        IF one.is_sequence THEN EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO ${application}', one.name);
        ELSE EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO ${application}', one.name); END IF;
      END LOOP;
    END $$;
  `;
}
