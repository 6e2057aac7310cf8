/** Jobs that sleep and then leave their effect: for drills, which kill their app servers meanwhile. */
import type { FailoverPool } from "@understudy/failover-pool";
import { pause } from "@understudy/runtime";
import type { JobContext, JobHandler } from "@understudy/work-queue";
import { drillSleep, drillSleepOnce } from "./job-definitions.ts";

/** No key: an effect that happened twice stands there twice. */
export const drillEffects = `
  CREATE TABLE IF NOT EXISTS public.drill_effects (
    job_id uuid NOT NULL,
    effect text NOT NULL,
    at     timestamptz NOT NULL DEFAULT now()
  )`;

interface Sleep {
  readonly ms: number;
  readonly effect?: string | undefined;
}

export function drillHandlers(pool: FailoverPool): JobHandler[] {
  const sleep = async ({ ms, effect }: Sleep, job: JobContext<void>): Promise<void> => {
    await pause(ms, job.signal);
    if (job.signal.aborted) throw job.signal.reason;
    if (effect === undefined) return;
    await pool.transaction(
      async (client) => {
        await client.query("INSERT INTO public.drill_effects (job_id, effect, at) VALUES ($1, $2, $3)", [
          job.id,
          effect,
          new Date(),
        ]);
        await job.completeIn(client);
      },
      { repeats: 3 },
    );
  };
  return [drillSleep.handledBy(sleep), drillSleepOnce.handledBy(sleep)];
}
