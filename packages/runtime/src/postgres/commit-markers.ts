/**
 * The table of commit markers (P4), made ahead: a failover-pool makes it at first use, but the login that serves may
 * make nothing, and a pool that once found none goes on without it until its process ends.
 */
import { markerTableMigration, type FailoverPool } from "@understudy/failover-pool";

const isThere = "SELECT to_regclass('understudy.commit_outcome') IS NOT NULL AS there";

/** May be repeated, and by several at once. */
export async function installCommitMarkers(pool: FailoverPool): Promise<void> {
  const { rows } = await pool.query<{ there: boolean }>(isThere);
  if (rows[0]?.there === true) return;
  await pool.transaction(async (client) => {
    // One at a time: CREATE IF NOT EXISTS collides when several do it at once.
    await client.query("SELECT pg_advisory_xact_lock(hashtextextended('understudy.commit_outcome', 0))");
    await client.query(markerTableMigration());
  });
}
