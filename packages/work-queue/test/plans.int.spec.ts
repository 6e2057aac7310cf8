/** A million queued, ten thousand delayed, a thousand failed: a fetch reads what it takes, and no more. */
import { defineJob } from "@understudy/work-queue";
import { queueName, startRig, type Rig } from "./rig.ts";

const job = defineJob<{ n: number }>({ queue: queueName, type: "job", restartable: true });
const jobs = Number(process.env["UNDERSTUDY_PLAN_JOBS"] ?? 200_000);
const holder = "0193a3a0-0000-7000-8000-0000000000aa";

interface PlanNode {
  readonly "Node Type": string;
  readonly "Index Name"?: string;
  readonly Plans?: readonly PlanNode[];
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

describe("query plans", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig();
  });
  afterAll(() => rig.stop());

  /** Of the statement inside `claim`, planned as the function plans it. */
  async function planOfClaim(limit: number): Promise<PlanNode> {
    const client = await rig.pool.connect();
    try {
      await client.query("BEGIN");
      await client.query(
        "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL plan_cache_mode = force_generic_plan",
      );
      await client.query(`PREPARE claim (smallint, integer) AS
        UPDATE work_queue.job j SET state = 'running', attempt = j.attempt + 1, holder = '${holder}', started_at = now()
         WHERE j.ctid = ANY (ARRAY(SELECT c.ctid FROM work_queue.job c WHERE c.queue = $1 AND c.state = 'queued'
                                    ORDER BY c.priority DESC, c.seq LIMIT $2 FOR UPDATE SKIP LOCKED))
           AND CASE WHEN j.state = 'queued' THEN true ELSE false END RETURNING j.id`);
      const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: PlanNode }] }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE claim ((SELECT id FROM work_queue.queue WHERE name = '${queueName}'), ${limit})`.replace(
          /\(SELECT id.*?'\)/,
          String((await client.query("SELECT id FROM work_queue.queue WHERE name = $1", [queueName])).rows[0].id),
        ),
      );
      await client.query("ROLLBACK");
      await client.query("DEALLOCATE claim");
      return rows[0]!["QUERY PLAN"][0].Plan;
    } finally {
      client.release();
    }
  }

  it("a fetch stays flat: the plan is the same with and without statistics, and reads the same few pages", async () => {
    await rig.work.enqueueMany(job, [{ n: 0 }]);
    const small = nodesOf(await planOfClaim(100));
    for (let at = 0; at < jobs; at += 10_000)
      await rig.work.enqueueMany(
        job,
        Array.from({ length: Math.min(10_000, jobs - at) }, (_, n) => ({ n })),
      );
    await rig.work.enqueueMany(
      job,
      Array.from({ length: 10_000 }, (_, n) => ({ n })),
      { delayMs: 3_600_000 },
    );
    await rig.pool.query(
      `UPDATE work_queue.job SET state = 'failed', ended_at = now()
        WHERE id IN (SELECT id FROM work_queue.job WHERE state = 'queued' ORDER BY seq LIMIT 1000)`,
    );
    const unanalysed = await planOfClaim(100);
    await rig.pool.query("VACUUM ANALYZE work_queue.job");
    const analysed = await planOfClaim(100);
    for (const plan of [unanalysed, analysed]) {
      const nodes = nodesOf(plan);
      expect(nodes.map((node) => node["Node Type"])).toEqual(small.map((node) => node["Node Type"]));
      expect(nodes.flatMap((node) => node["Index Name"] ?? [])).toEqual(["job_fetch"]);
      expect(nodes.map((node) => node["Node Type"])).not.toContain("Seq Scan");
      expect(nodes.map((node) => node["Node Type"])).not.toContain("Sort");
    }
    // A hundred rows: their pages, the way down the index, and the index entries of the new versions.
    const pages = analysed["Shared Hit Blocks"] + analysed["Shared Read Blocks"];
    expect(pages).toBeLessThan(2_500);
  }, 120_000);

  it("finding what is due, completing, and pruning read by their indexes too", async () => {
    const explain = async (text: string): Promise<string[]> => {
      const client = await rig.pool.connect();
      try {
        const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: PlanNode }] }>(`EXPLAIN (FORMAT JSON) ${text}`);
        return nodesOf(rows[0]!["QUERY PLAN"][0].Plan).flatMap((node) => node["Index Name"] ?? []);
      } finally {
        client.release();
      }
    };
    expect(
      await explain(
        "SELECT ctid FROM work_queue.job WHERE state = 'delayed' AND run_at <= now() ORDER BY run_at LIMIT 100",
      ),
    ).toEqual(["job_due"]);
    expect(await explain(`SELECT ctid FROM work_queue.job WHERE holder = '${holder}' AND state = 'running'`)).toEqual([
      "job_held",
    ]);
    expect(
      await explain("SELECT id FROM work_queue.job WHERE state = 'failed' AND queue = 1 AND ended_at < now()"),
    ).toEqual(["job_ended"]);
  });
});
