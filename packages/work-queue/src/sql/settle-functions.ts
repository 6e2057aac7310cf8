/**
 * How runs end. Q2: every one of these compares holder, attempt and state inside its statement; what does not match is
 * refused and changes nothing.
 */

/** Written so that no index but that of the ids fits: each id is one look, whatever the statistics say. */
const holds = "CASE WHEN j.state = 'running' AND j.attempt = d.attempt THEN j.holder = p_incarnation ELSE false END";
const planned =
  "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off";

export const settleFunctions = (schema: string): string => `
-- Refused ids come back; NULL means all were accepted. Saying the same twice is accepted twice while it is kept.
CREATE OR REPLACE FUNCTION ${schema}.complete(
  p_incarnation uuid, p_ids uuid[], p_attempts integer[], p_results text, p_keep_seconds integer[], p_keep integer
) RETURNS uuid[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan ${planned} AS $$
DECLARE
  done_ids uuid[];
  lanes bigint;
  refused uuid[];
BEGIN
  WITH done AS (
    DELETE FROM ${schema}.job j
     USING unnest(p_ids, p_attempts, string_to_array(p_results, E'\\n', ''), p_keep_seconds)
             AS d (id, attempt, result, keep)
     WHERE j.id = d.id AND ${holds}
    RETURNING j.id, j.enqueued_at, j.started_at, j.attempt, j.queue, j.type, j.ordering_key, d.result,
              coalesce(d.keep, p_keep) AS keep),
  kept AS (
    INSERT INTO ${schema}.completed
      (id, enqueued_at, started_at, ended_at, keep_until, holder, attempt, queue, type, result)
    SELECT done.id, done.enqueued_at, done.started_at, now(), now() + done.keep * interval '1 s', p_incarnation,
           done.attempt, done.queue, done.type, done.result::json
      FROM done WHERE done.keep > 0),
  lane AS (
    INSERT INTO ${schema}.lane_event (queue, ordering_key)
    SELECT done.queue, done.ordering_key FROM done WHERE done.ordering_key IS NOT NULL)
  SELECT array_agg(done.id), count(done.ordering_key) INTO done_ids, lanes FROM done;
  IF lanes > 0 THEN PERFORM pg_notify('${schema}', 'l'); END IF;
  IF cardinality(done_ids) = cardinality(p_ids) THEN RETURN NULL; END IF;
  SELECT array_agg(d.id) INTO refused
    FROM unnest(p_ids, p_attempts) AS d (id, attempt)
   WHERE d.id <> ALL (coalesce(done_ids, '{}'))
     AND NOT EXISTS (SELECT FROM ${schema}.completed c
                      WHERE c.id = d.id AND c.holder = p_incarnation AND c.attempt = d.attempt);
  RETURN refused;
END $$;

-- In the handler's own transaction: a refusal is an error, which keeps that transaction from committing.
CREATE OR REPLACE FUNCTION ${schema}.complete_in(
  p_incarnation uuid, p_id uuid, p_attempt integer, p_result text, p_keep integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${schema}.effect_key(p_incarnation));
  IF ${schema}.complete(p_incarnation, ARRAY[p_id], ARRAY[p_attempt], p_result, NULL, p_keep) IS NOT NULL THEN
    RAISE EXCEPTION 'Job % is no longer held by incarnation %, attempt %.', p_id, p_incarnation, p_attempt
      USING ERRCODE = 'UQ003';
  END IF;
END $$;

-- The holder or the job's attempt is still the one that may act; for effects before the completion.
CREATE OR REPLACE FUNCTION ${schema}.assert_held(p_incarnation uuid, p_id uuid, p_attempt integer)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${schema}.effect_key(p_incarnation));
  PERFORM FROM ${schema}.job j
    WHERE j.id = p_id AND j.attempt = p_attempt AND j.holder = p_incarnation AND j.state = 'running' FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Job % is no longer held by incarnation %, attempt %.', p_id, p_incarnation, p_attempt
      USING ERRCODE = 'UQ003';
  END IF;
END $$;

-- Ends that are not completions. p_ends: retry (after p_delays_ms), release (as if never started), failed, cancelled,
-- aborted, foreign (this holder does not know the type: released if another one does, else parked).
-- Returns what was refused.
CREATE OR REPLACE FUNCTION ${schema}.give_back(
  p_incarnation uuid, p_ids uuid[], p_attempts integer[], p_ends text[], p_delays_ms double precision[],
  p_reasons text[]
) RETURNS uuid[] LANGUAGE plpgsql ${planned} AS $$
DECLARE
  done_ids uuid[];
  queues text[];
  lanes bigint;
  delayed bigint;
BEGIN
  WITH done AS (
    UPDATE ${schema}.job j
       SET state = (CASE
             WHEN j.cancelling THEN 'cancelled'
             WHEN d.ending IN ('retry', 'release') THEN CASE WHEN d.delay_ms > 0 THEN 'delayed' ELSE 'queued' END
             WHEN d.ending = 'foreign' THEN CASE WHEN d.is_known THEN 'queued' ELSE 'parked' END
             ELSE d.ending END)::${schema}.job_state,
           run_at = CASE WHEN d.delay_ms > 0 THEN now() + d.delay_ms * interval '1 ms' ELSE j.run_at END,
           first_attempt = j.first_attempt + (CASE WHEN d.ending IN ('release', 'foreign') THEN 1 ELSE 0 END),
           reason = CASE WHEN j.cancelling OR (d.ending = 'foreign' AND d.is_known) THEN j.reason
                         ELSE coalesce(d.reason, j.reason) END,
           ended_at = CASE WHEN j.cancelling OR NOT (d.ending IN ('retry', 'release') OR d.is_known) THEN now() END
      FROM (SELECT g.*, g.ending = 'foreign' AND EXISTS (
                     SELECT FROM ${schema}.job o
                       JOIN ${schema}.queue k ON k.id = o.queue
                       JOIN ${schema}.holder h ON h.standing = 'live' AND h.can_run -> k.name ? o.type
                      WHERE o.id = g.id) AS is_known
              FROM unnest(p_ids, p_attempts, p_ends, p_delays_ms, p_reasons)
                     AS g (id, attempt, ending, delay_ms, reason)) d
     WHERE j.id = d.id AND ${holds}
    RETURNING j.id, j.queue, j.state, j.ordering_key),
  lane AS (
    INSERT INTO ${schema}.lane_event (queue, ordering_key)
    SELECT done.queue, done.ordering_key FROM done
     WHERE done.ordering_key IS NOT NULL AND done.state NOT IN ('queued', 'delayed')
    RETURNING 1)
  SELECT array_agg(done.id), array_agg(DISTINCT done.queue::text) FILTER (WHERE done.state = 'queued'),
         (SELECT count(*) FROM lane), count(*) FILTER (WHERE done.state = 'delayed')
    INTO done_ids, queues, lanes, delayed FROM done;
  IF lanes > 0 THEN PERFORM pg_notify('${schema}', 'l'); END IF;
  IF delayed > 0 THEN PERFORM pg_notify('${schema}', 'd'); END IF;
  PERFORM pg_notify('${schema}', 'q ' || k.name) FROM ${schema}.queue k WHERE k.id::text = ANY (queues);
  RETURN (SELECT array_agg(i) FROM unnest(p_ids) i WHERE i <> ALL (coalesce(done_ids, '{}')));
END $$;

CREATE OR REPLACE FUNCTION ${schema}.report_progress(
  p_incarnation uuid, p_ids uuid[], p_attempts integer[], p_progress text
) RETURNS void LANGUAGE sql ${planned} AS $$
  UPDATE ${schema}.job j SET progress = d.progress::json
    FROM unnest(p_ids, p_attempts, string_to_array(p_progress, E'\\n')) AS d (id, attempt, progress)
   WHERE j.id = d.id AND ${holds}
$$;

-- Of runs whose handler completed in a transaction: which of them are still running, because it did not commit?
CREATE OR REPLACE FUNCTION ${schema}.still_running(p_incarnation uuid, p_ids uuid[], p_attempts integer[])
RETURNS uuid[] LANGUAGE sql STABLE ${planned} AS $$
  SELECT array_agg(j.id) FROM unnest(p_ids, p_attempts) AS d (id, attempt) JOIN ${schema}.job j ON j.id = d.id
   WHERE ${holds}
$$;
`;
