/**
 * The work queue's tables and functions, brought to this version once: every app server and message server asks at each
 * start, and CREATE INDEX IF NOT EXISTS would wait for whoever has written to the jobs, and hold up all others behind it.
 * The schema's comment says which version stands.
 */
import { createHash } from "node:crypto";
import type { FailoverPool } from "@understudy/failover-pool";
import { schemaSql } from "@understudy/work-queue";

/** In PostgreSQL. */
export const workQueueSchema = "work_queue";

const sql = schemaSql(workQueueSchema);
const version = `understudy work queue ${createHash("sha256").update(sql).digest("hex").slice(0, 16)}`;
const versionText = `SELECT obj_description(oid, 'pg_namespace') AS version FROM pg_namespace WHERE nspname = '${workQueueSchema}'`;

export async function installWorkQueue(pool: Pick<FailoverPool, "query" | "connect">): Promise<void> {
  const { rows } = await pool.query<{ version: string | null }>(versionText);
  if (rows[0]?.version === version) return;
  const client = await pool.connect();
  let failure: unknown;
  try {
    await client.query("BEGIN");
    // The lock that the schema's own text takes, before the second look: one works, the others find it done.
    await client.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [`${workQueueSchema}.install`]);
    const again = await client.query<{ version: string | null }>(versionText);
    if (again.rows[0]?.version !== version) {
      await client.query(sql);
      await client.query(`COMMENT ON SCHEMA ${workQueueSchema} IS '${version}'`);
    }
    await client.query("COMMIT");
  } catch (error) {
    failure = error;
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    client.release(failure instanceof Error ? failure : undefined);
  }
}
