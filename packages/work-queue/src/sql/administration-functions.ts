/** What people do with jobs: look, cancel, restart; and what time does: prune. */
export const administrationFunctions = (schema: string): string => `
CREATE OR REPLACE VIEW ${schema}.job_view AS
  SELECT j.id, k.name AS queue, j.type,
         (CASE WHEN j.state IN ('delayed', 'waiting') THEN 'queued' ELSE j.state::text END) AS state,
         j.attempt AS attempts, h.id AS app_server, h.incarnation, j.reason, j.progress, NULL::json AS result,
         j.payload, j.priority, j.restartable, j.losses, j.unique_key, j.ordering_key, j.run_at, j.enqueued_at,
         j.started_at, j.ended_at, j.state AS exact_state
    FROM ${schema}.job j JOIN ${schema}.queue k ON k.id = j.queue
    LEFT JOIN ${schema}.holder h ON h.incarnation = j.holder AND j.state NOT IN ('queued', 'delayed', 'waiting');
CREATE OR REPLACE VIEW ${schema}.completed_view AS
  SELECT c.id, k.name AS queue, c.type, 'completed'::text AS state, c.attempt AS attempts, h.id AS app_server,
         c.holder AS incarnation, NULL::text AS reason, NULL::json AS progress, c.result,
         NULL::json AS payload, 0::smallint AS priority, NULL::boolean AS restartable, 0 AS losses,
         NULL::text AS unique_key, NULL::text AS ordering_key, c.enqueued_at AS run_at, c.enqueued_at,
         c.started_at, c.ended_at
    FROM ${schema}.completed c JOIN ${schema}.queue k ON k.id = c.queue
    LEFT JOIN ${schema}.holder h ON h.incarnation = c.holder;

-- cancelled: it was not running. cancelling: its handler was told. NULL: there is no such job, or it is over.
CREATE OR REPLACE FUNCTION ${schema}.cancel(p_id uuid, p_reason text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  cancelled_job record;
BEGIN
  UPDATE ${schema}.job j SET state = 'cancelled', reason = p_reason, ended_at = now()
   WHERE j.id = p_id AND j.state IN ('queued', 'delayed', 'waiting', 'parked')
  RETURNING j.queue, j.ordering_key INTO cancelled_job;
  IF FOUND THEN
    IF cancelled_job.ordering_key IS NOT NULL THEN
      INSERT INTO ${schema}.lane_event (queue, ordering_key) VALUES (cancelled_job.queue, cancelled_job.ordering_key);
      PERFORM pg_notify('${schema}', 'l');
    END IF;
    RETURN 'cancelled';
  END IF;
  UPDATE ${schema}.job j SET cancelling = true, reason = p_reason WHERE j.id = p_id AND j.state = 'running';
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM pg_notify('${schema}', 'c ' || p_id::text);
  RETURN 'cancelling';
END $$;

-- By hand: failed, aborted, cancelled and parked jobs are queued again, with all their attempts.
CREATE OR REPLACE FUNCTION ${schema}.restart(p_ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
  WITH again AS (
    UPDATE ${schema}.job j
       SET state = (CASE WHEN j.ordering_key IS NULL THEN 'queued' ELSE 'waiting' END)::${schema}.job_state,
           first_attempt = j.attempt, losses = 0, cancelling = false, run_at = now(), ended_at = NULL, started_at = NULL,
           holder = NULL, reason = NULL, progress = NULL
     WHERE j.id = ANY (p_ids) AND j.state IN ('failed', 'aborted', 'cancelled', 'parked')
    RETURNING j.id, j.queue, j.ordering_key),
  lane AS (
    INSERT INTO ${schema}.lane_event (queue, ordering_key)
    SELECT again.queue, again.ordering_key FROM again WHERE again.ordering_key IS NOT NULL)
  SELECT again.id FROM again;
  PERFORM pg_notify('${schema}', 'q ' || k.name) FROM ${schema}.queue k
    WHERE k.id IN (SELECT j.queue FROM ${schema}.job j WHERE j.id = ANY (p_ids));
  PERFORM pg_notify('${schema}', 'l');
END $$;

-- A bounded number of rows at a time, past whatever others have locked: it waits for nobody and nobody for it.
CREATE OR REPLACE FUNCTION ${schema}.prune(p_limit integer) RETURNS integer LANGUAGE plpgsql
  SET enable_seqscan = off AS $$
DECLARE
  pruned integer;
  more integer;
  k record;
BEGIN
  DELETE FROM ${schema}.completed c
   WHERE c.ctid = ANY (ARRAY(SELECT o.ctid FROM ${schema}.completed o WHERE o.keep_until <= now()
                              ORDER BY o.keep_until LIMIT p_limit FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS pruned = ROW_COUNT;
  FOR k IN SELECT q.id, q.keep_ended FROM ${schema}.queue q LOOP
    DELETE FROM ${schema}.job j
     WHERE j.ctid = ANY (ARRAY(SELECT o.ctid FROM ${schema}.job o
                                WHERE o.queue = k.id AND o.state IN ('failed', 'aborted', 'cancelled')
                                  AND o.ended_at <= now() - k.keep_ended
                                LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS more = ROW_COUNT;
    pruned := pruned + more;
  END LOOP;
  DELETE FROM ${schema}.schedule_firing f WHERE f.fired_at < now() - interval '30 days';
  DELETE FROM ${schema}.holder h
   WHERE h.standing <> 'live' AND h.changed_at < now() - interval '60 days'
     AND NOT EXISTS (SELECT FROM ${schema}.job j WHERE j.holder = h.incarnation AND j.state = 'running');
  RETURN pruned;
END $$;
`;
