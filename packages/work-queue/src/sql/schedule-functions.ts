/**
 * Schedules. Exactly one firing per due time: `next_due` moves by compare-and-swap, and the firing is unique by
 * (schedule, due) besides. Whoever is late finds another `next_due` and does nothing.
 */
export const scheduleFunctions = (schema: string): string => `
-- Schedules that are due by the database's clock, and the milliseconds until the next one.
CREATE OR REPLACE FUNCTION ${schema}.due_schedules()
RETURNS TABLE (name text, cron text, time_zone text, missed text, next_due double precision, now double precision)
LANGUAGE sql STABLE AS $$
  SELECT s.name, s.cron, s.time_zone, s.missed, extract(epoch FROM s.next_due)::double precision * 1000,
         extract(epoch FROM now())::double precision * 1000
    FROM ${schema}.schedule s JOIN ${schema}.queue k ON k.id = s.queue
   WHERE NOT s.paused AND s.next_due IS NOT NULL
   ORDER BY s.next_due LIMIT 100
$$;

CREATE OR REPLACE FUNCTION ${schema}.fire_schedule(
  p_name text, p_expected_ms double precision, p_cron text, p_dues_ms double precision[], p_jobs uuid[],
  p_next_ms double precision
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  s record;
  fired integer;
BEGIN
  UPDATE ${schema}.schedule t SET next_due = to_timestamp(p_next_ms / 1000)
   WHERE t.name = p_name AND t.next_due = to_timestamp(p_expected_ms / 1000) AND t.cron = p_cron AND NOT t.paused
  RETURNING t.* INTO s;
  IF NOT FOUND THEN RETURN 0; END IF;
  WITH firing AS (
    INSERT INTO ${schema}.schedule_firing (schedule, due, job)
    SELECT p_name, to_timestamp(d.due / 1000), d.job FROM unnest(p_dues_ms, p_jobs) AS d (due, job)
    ON CONFLICT DO NOTHING RETURNING job),
  job AS (
    INSERT INTO ${schema}.job (id, state, queue, restartable, max_attempts, type, payload)
    SELECT firing.job, 'queued', s.queue, s.restartable, s.max_attempts, s.type, s.payload FROM firing
    RETURNING 1)
  SELECT count(*) INTO fired FROM job;
  PERFORM pg_notify('${schema}', 'q ' || k.name) FROM ${schema}.queue k WHERE fired > 0 AND k.id = s.queue;
  RETURN fired;
END $$;
`;
