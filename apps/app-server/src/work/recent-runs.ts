import type { WorkQueue } from "@understudy/work-queue";

export interface RecentRuns {
  readonly completed: number;
  readonly medianMs: number;
  readonly p95Ms: number;
}

/** Run times by queue, of the thousand completed jobs that are kept longest: an index has them, however many there are. */
export async function readRecentRuns({ pool, schema }: WorkQueue): Promise<ReadonlyMap<string, RecentRuns>> {
  const answer = (await pool.query(
    `SELECT k.name, count(*)::integer AS completed,
            percentile_disc(0.5) WITHIN GROUP (ORDER BY c.ms) AS median,
            percentile_disc(0.95) WITHIN GROUP (ORDER BY c.ms) AS p95
       FROM (SELECT queue, (extract(epoch FROM ended_at - started_at) * 1000)::double precision AS ms
               FROM ${schema}.completed ORDER BY keep_until DESC LIMIT 1000) c
       JOIN ${schema}.queue k ON k.id = c.queue GROUP BY k.name`,
  )) as { readonly rows: readonly { name: string; completed: number; median: number; p95: number }[] };
  return new Map(
    answer.rows.map(({ name, completed, median, p95 }) => [
      name,
      { completed, medianMs: Math.round(median), p95Ms: Math.round(p95) },
    ]),
  );
}
