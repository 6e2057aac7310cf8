/**
 * Claiming. A claim asserts the holder's standing under a shared advisory lock that a verdict takes exclusively: either
 * the claim is committed and the verdict sees its jobs, or the claim sees the verdict and is refused (SQLSTATE UQ001).
 * The lock costs no write, and a frozen client cannot keep it: a claim is one statement.
 *
 * Of the ways to claim, `ctid = ANY (ARRAY (SELECT ctid .. SKIP LOCKED))` reads the index once and no row twice. The
 * planner settings of the function make that plan certain, whatever the statistics say (test: "a fetch stays flat").
 */
/**
 * The state of a row that was found and locked already. Written so that no partial index fits it: else a plan made while
 * the table was small would read the whole of that index for ever.
 */
const is = (state: string): string => `CASE WHEN j.state = '${state}' THEN true ELSE false END`;

export const claimFunctions = (schema: string): string => `
CREATE OR REPLACE FUNCTION ${schema}.holder_key(p_incarnation uuid) RETURNS bigint LANGUAGE sql IMMUTABLE
  RETURN hashtextextended('${schema}.holder ' || p_incarnation::text, 0);

-- Held, shared, by each transaction in which an incarnation asserts or completes something.
CREATE OR REPLACE FUNCTION ${schema}.effect_key(p_incarnation uuid) RETURNS bigint LANGUAGE sql IMMUTABLE
  RETURN hashtextextended('${schema}.effect ' || p_incarnation::text, 0);

CREATE OR REPLACE FUNCTION ${schema}.assert_standing(p_incarnation uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${schema}.holder_key(p_incarnation));
  PERFORM FROM ${schema}.holder h WHERE h.incarnation = p_incarnation AND h.standing = 'live';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Incarnation % has no standing: it was declared lost, has left or never registered.', p_incarnation
      USING ERRCODE = 'UQ001';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION ${schema}.claim(
  p_incarnation uuid, p_queue text, p_limit integer, p_foreign_types text[]
) RETURNS TABLE (
  id uuid, type text, attempt integer, attempts_left integer, restartable boolean,
  priority smallint, seq bigint, enqueued_at double precision, payload text
) LANGUAGE plpgsql
  SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE q smallint;
BEGIN
  PERFORM ${schema}.assert_standing(p_incarnation);
  SELECT k.id INTO q FROM ${schema}.queue k WHERE k.name = p_queue AND NOT k.paused;
  IF q IS NULL THEN RETURN; END IF;
  IF p_foreign_types IS NULL THEN
    RETURN QUERY
    UPDATE ${schema}.job j
       SET state = 'running', attempt = j.attempt + 1, holder = p_incarnation, started_at = now()
     WHERE j.ctid = ANY (ARRAY(
             SELECT c.ctid FROM ${schema}.job c
              WHERE c.queue = q AND c.state = 'queued'
              ORDER BY c.priority DESC, c.seq LIMIT p_limit FOR UPDATE SKIP LOCKED))
       AND ${is("queued")}
    RETURNING j.id, j.type, j.attempt, j.max_attempts - (j.attempt - j.first_attempt) + 1, j.restartable,
              j.priority, j.seq, date_part('epoch', j.enqueued_at), j.payload::text;
  ELSE
    RETURN QUERY
    UPDATE ${schema}.job j
       SET state = 'running', attempt = j.attempt + 1, holder = p_incarnation, started_at = now()
     WHERE j.ctid = ANY (ARRAY(
             SELECT c.ctid FROM ${schema}.job c
              WHERE c.queue = q AND c.state = 'queued' AND c.type <> ALL (p_foreign_types)
              ORDER BY c.priority DESC, c.seq LIMIT p_limit FOR UPDATE SKIP LOCKED))
       AND ${is("queued")}
    RETURNING j.id, j.type, j.attempt, j.max_attempts - (j.attempt - j.first_attempt) + 1, j.restartable,
              j.priority, j.seq, date_part('epoch', j.enqueued_at), j.payload::text;
  END IF;
END $$;

-- After a claim whose answer was lost: everything that this incarnation holds.
CREATE OR REPLACE FUNCTION ${schema}.held(p_incarnation uuid) RETURNS TABLE (
  id uuid, type text, attempt integer, attempts_left integer, restartable boolean,
  priority smallint, seq bigint, enqueued_at double precision, payload text, queue text
) LANGUAGE sql STABLE AS $$
  SELECT j.id, j.type, j.attempt, j.max_attempts - (j.attempt - j.first_attempt) + 1, j.restartable,
         j.priority, j.seq, date_part('epoch', j.enqueued_at), j.payload::text, q.name
    FROM ${schema}.job j JOIN ${schema}.queue q ON q.id = j.queue
   WHERE j.holder = p_incarnation AND j.state = 'running'
$$;

-- What is due, from delayed to queued. Tells how many, and the milliseconds until the next one (NULL: none).
CREATE OR REPLACE FUNCTION ${schema}.promote_due(p_limit integer, OUT moved integer, OUT next_ms double precision)
LANGUAGE plpgsql
  SET enable_sort = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE names text[];
BEGIN
  WITH due AS (
    UPDATE ${schema}.job j SET state = 'queued'
     WHERE j.ctid = ANY (ARRAY(
             SELECT c.ctid FROM ${schema}.job c
              WHERE c.state = 'delayed' AND c.run_at <= now()
              ORDER BY c.run_at LIMIT p_limit FOR UPDATE SKIP LOCKED))
       AND ${is("delayed")}
    RETURNING j.queue)
  SELECT count(*), array_agg(DISTINCT due.queue::text) INTO moved, names FROM due;
  PERFORM pg_notify('${schema}', 'q ' || k.name) FROM ${schema}.queue k WHERE k.id::text = ANY (names);
  SELECT greatest(0, extract(epoch FROM c.run_at - clock_timestamp()) * 1000) INTO next_ms
    FROM ${schema}.job c WHERE c.state = 'delayed' ORDER BY c.run_at LIMIT 1;
END $$;

-- Heads of ordering keys, from waiting to queued. One at a time: the lock comes before the snapshot that decides.
CREATE OR REPLACE FUNCTION ${schema}.promote_lanes(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  queues smallint[];
  keys text[];
  names smallint[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('${schema}.lanes', 0));
  WITH event AS (
    DELETE FROM ${schema}.lane_event e
     WHERE e.ctid = ANY (ARRAY(SELECT c.ctid FROM ${schema}.lane_event c LIMIT p_limit FOR UPDATE SKIP LOCKED))
    RETURNING e.queue, e.ordering_key)
  SELECT array_agg(lane.queue), array_agg(lane.ordering_key) INTO queues, keys
    FROM (SELECT DISTINCT event.queue, event.ordering_key FROM event) lane;
  IF queues IS NULL THEN RETURN 0; END IF;
  WITH head AS (
    UPDATE ${schema}.job j
       SET state = (CASE WHEN j.run_at > now() THEN 'delayed' ELSE 'queued' END)::${schema}.job_state
     WHERE ${is("waiting")}
       AND j.id = ANY (ARRAY(
             SELECT first.id FROM unnest(queues, keys) AS lane (queue, ordering_key)
              CROSS JOIN LATERAL (
                SELECT w.id FROM ${schema}.job w
                 WHERE w.queue = lane.queue AND w.ordering_key = lane.ordering_key AND w.state = 'waiting'
                 ORDER BY w.seq LIMIT 1) first
              WHERE NOT EXISTS (
                SELECT FROM ${schema}.job a
                 WHERE a.queue = lane.queue AND a.ordering_key = lane.ordering_key
                   AND a.state IN ('queued', 'delayed', 'running'))))
    RETURNING j.queue)
  SELECT array_agg(DISTINCT head.queue) INTO names FROM head;
  PERFORM pg_notify('${schema}', 'q ' || k.name) FROM ${schema}.queue k WHERE k.id = ANY (names);
  IF names IS NOT NULL THEN PERFORM pg_notify('${schema}', 'd'); END IF;
  RETURN cardinality(queues);
END $$;
`;
