/** Who may hold jobs, and Q1: what becomes of the jobs of a holder that was lost. */
export const holderFunctions = (schema: string): string => `
-- Parked jobs whose type somebody can run now.
CREATE OR REPLACE FUNCTION ${schema}.unpark() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE queues text[];
BEGIN
  WITH runnable AS (
    UPDATE ${schema}.job j
       SET state = (CASE WHEN j.ordering_key IS NULL THEN 'queued' ELSE 'waiting' END)::${schema}.job_state,
           reason = NULL, ended_at = NULL, first_attempt = j.attempt
      FROM ${schema}.queue k
     WHERE k.id = j.queue AND j.state = 'parked'
       AND EXISTS (SELECT FROM ${schema}.holder h WHERE h.standing = 'live' AND h.can_run -> k.name ? j.type)
    RETURNING k.id, k.name, j.ordering_key),
  lane AS (
    INSERT INTO ${schema}.lane_event (queue, ordering_key)
    SELECT runnable.id, runnable.ordering_key FROM runnable WHERE runnable.ordering_key IS NOT NULL)
  SELECT array_agg(runnable.name) INTO queues FROM runnable;
  IF queues IS NULL THEN RETURN 0; END IF;
  PERFORM pg_notify('${schema}', 'q ' || name) FROM unnest(queues) name;
  PERFORM pg_notify('${schema}', 'l');
  RETURN cardinality(queues);
END $$;

CREATE OR REPLACE FUNCTION ${schema}.register_holder(
  p_incarnation uuid, p_id text, p_guarded boolean, p_can_run jsonb
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE unparked integer;
BEGIN
  INSERT INTO ${schema}.holder AS h (incarnation, id, standing, guarded, can_run)
  VALUES (p_incarnation, p_id, 'live', p_guarded, p_can_run)
  ON CONFLICT (incarnation) DO UPDATE SET can_run = p_can_run, guarded = p_guarded, changed_at = now()
   WHERE h.standing = 'live';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Incarnation % was declared lost or has left.', p_incarnation USING ERRCODE = 'UQ001';
  END IF;
  unparked := ${schema}.unpark();
  RETURN unparked;
END $$;

-- A new session of a holder holds this lock for as long as it lives.
CREATE OR REPLACE FUNCTION ${schema}.session_key(p_incarnation uuid, p_session integer) RETURNS bigint
LANGUAGE sql IMMUTABLE
  RETURN hashtextextended('${schema}.session ' || p_incarnation::text || ' ' || p_session::text, 0);

-- A sign of life. Tells the standing, and which of its running jobs are to be cancelled.
CREATE OR REPLACE FUNCTION ${schema}.beat(
  p_incarnation uuid, p_session integer, OUT standing text, OUT cancelling uuid[]
) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE ${schema}.holder h SET beat = h.beat + 1, session = p_session
   WHERE h.incarnation = p_incarnation AND h.standing = 'live';
  SELECT h.standing INTO standing FROM ${schema}.holder h WHERE h.incarnation = p_incarnation;
  SELECT array_agg(j.id) INTO cancelling FROM ${schema}.job j
   WHERE j.holder = p_incarnation AND j.state = 'running' AND j.cancelling;
END $$;

-- What a watcher sees of the guarded holders beside its own: is the lock of their session free?
CREATE OR REPLACE FUNCTION ${schema}.watch_holders(p_own uuid)
RETURNS TABLE (incarnation uuid, id text, session integer, beat bigint, is_lock_free boolean) LANGUAGE sql AS $$
  SELECT h.incarnation, h.id, h.session, h.beat,
         h.session > 0 AND pg_try_advisory_xact_lock(${schema}.session_key(h.incarnation, h.session))
    FROM ${schema}.holder h
   WHERE h.standing = 'live' AND h.guarded AND h.incarnation <> p_own
$$;

-- Ends the transactions in which a lost incarnation is about to complete something, or has asserted that it may: of a
-- frozen process they would stay open and lock what others are to have. Each has taken this lock. What was committed
-- before that is committed, once. Without the right to end them, they are left to end by themselves ("remaining").
CREATE OR REPLACE FUNCTION ${schema}.end_effects(p_incarnation uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  effect bigint := ${schema}.effect_key(p_incarnation);
  other integer;
  is_any boolean;
BEGIN
  FOR try IN 1..200 LOOP
    is_any := false;
    FOR other IN
      SELECT l.pid FROM pg_locks l
       WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
         AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
         AND (l.classid::bigint << 32 | l.objid::bigint) = effect
    LOOP
      is_any := true;
      IF try = 1 THEN PERFORM pg_terminate_backend(other); END IF;
    END LOOP;
    EXIT WHEN NOT is_any;
    PERFORM pg_sleep(0.005);
  END LOOP;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$;

-- Jobs and services of one holder, to whoever is next. Rows that an open transaction of the lost one has locked stay
-- until that transaction ends, one way or the other: "left".
CREATE OR REPLACE FUNCTION ${schema}.take_away(
  p_incarnation uuid, p_reason text,
  OUT requeued integer, OUT aborted integer, OUT cancelled integer, OUT failed integer, OUT services integer,
  OUT remaining integer
) LANGUAGE plpgsql AS $$
DECLARE queues text[];
BEGIN
  -- Q1: one statement.
  WITH gone AS (
    UPDATE ${schema}.job j
       SET state = (CASE WHEN j.cancelling THEN 'cancelled'
                         WHEN NOT j.restartable THEN 'aborted'
                         WHEN j.losses >= k.max_losses THEN 'failed'
                         ELSE 'queued' END)::${schema}.job_state,
           losses = j.losses + 1,
           first_attempt = j.first_attempt + 1,
           reason = p_reason || CASE WHEN j.restartable AND j.losses >= k.max_losses
                                     THEN ' It was lost with its holder more than ' || k.max_losses || ' times.'
                                     ELSE '' END,
           ended_at = CASE WHEN j.cancelling OR NOT j.restartable OR j.losses >= k.max_losses THEN now() END
      FROM ${schema}.queue k
     WHERE k.id = j.queue AND j.holder = p_incarnation AND j.state = 'running'
       AND j.ctid = ANY (ARRAY(SELECT c.ctid FROM ${schema}.job c
                                WHERE c.holder = p_incarnation AND c.state = 'running' FOR UPDATE SKIP LOCKED))
    RETURNING j.state, j.queue, j.ordering_key, k.name),
  lane AS (
    INSERT INTO ${schema}.lane_event (queue, ordering_key)
    SELECT gone.queue, gone.ordering_key FROM gone WHERE gone.ordering_key IS NOT NULL AND gone.state <> 'queued')
  SELECT count(*) FILTER (WHERE gone.state = 'queued'), count(*) FILTER (WHERE gone.state = 'aborted'),
         count(*) FILTER (WHERE gone.state = 'cancelled'), count(*) FILTER (WHERE gone.state = 'failed'),
         array_agg(DISTINCT gone.name)
    INTO requeued, aborted, cancelled, failed, queues FROM gone;
  PERFORM pg_notify('${schema}', 'q ' || name) FROM unnest(queues) name;
  IF queues IS NOT NULL THEN PERFORM pg_notify('${schema}', 'l'); END IF;

  UPDATE ${schema}.service s SET holder = NULL, since = now(), reason = p_reason
   WHERE s.name IN (SELECT c.name FROM ${schema}.service c WHERE c.holder = p_incarnation FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS services = ROW_COUNT;
  UPDATE ${schema}.service s SET successor = NULL
   WHERE s.name IN (SELECT c.name FROM ${schema}.service c WHERE c.successor = p_incarnation FOR UPDATE SKIP LOCKED);
  IF services > 0 THEN PERFORM pg_notify('${schema}', 's'); END IF;
  SELECT count(*) + (SELECT count(*) FROM ${schema}.service s WHERE s.holder = p_incarnation)
    INTO remaining FROM ${schema}.job j WHERE j.holder = p_incarnation AND j.state = 'running';
END $$;

-- The verdict. With a term: does nothing when a higher one was seen. Repeating it is harmless and takes what is left.
CREATE OR REPLACE FUNCTION ${schema}.lose_holder(
  p_incarnation uuid, p_term bigint, p_reason text,
  OUT accepted boolean, OUT requeued integer, OUT aborted integer, OUT cancelled integer, OUT failed integer,
  OUT services integer, OUT remaining integer
) LANGUAGE plpgsql AS $$
BEGIN
  accepted := true;
  IF p_term IS NOT NULL THEN
    INSERT INTO ${schema}.fence AS f (scope, term) VALUES ('holders', p_term)
    ON CONFLICT (scope) DO UPDATE SET term = EXCLUDED.term WHERE f.term <= EXCLUDED.term;
    IF NOT FOUND THEN accepted := false; RETURN; END IF;
  END IF;
  PERFORM pg_advisory_xact_lock(${schema}.holder_key(p_incarnation));
  INSERT INTO ${schema}.holder AS h (incarnation, id, standing, reason) VALUES (p_incarnation, '', 'lost', p_reason)
  ON CONFLICT (incarnation) DO UPDATE SET standing = 'lost', reason = p_reason, changed_at = now()
   WHERE h.standing <> 'lost';
  PERFORM ${schema}.end_effects(p_incarnation);
  SELECT t.requeued, t.aborted, t.cancelled, t.failed, t.services, t.remaining
    INTO requeued, aborted, cancelled, failed, services, remaining
    FROM ${schema}.take_away(p_incarnation, p_reason) t;
END $$;

-- What lost or left incarnations still hold, because a transaction of theirs was open: take it when it has ended.
CREATE OR REPLACE FUNCTION ${schema}.sweep() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  one record;
  swept integer := 0;
BEGIN
  FOR one IN
    SELECT h.incarnation, h.reason, h.standing FROM ${schema}.holder h
     WHERE h.standing <> 'live'
       AND (EXISTS (SELECT FROM ${schema}.job j WHERE j.holder = h.incarnation AND j.state = 'running')
            OR EXISTS (SELECT FROM ${schema}.service s WHERE h.incarnation IN (s.holder, s.successor)))
  LOOP
    IF one.standing = 'lost' THEN PERFORM ${schema}.end_effects(one.incarnation); END IF;
    PERFORM ${schema}.take_away(one.incarnation, coalesce(one.reason, 'Its holder has left.'));
    swept := swept + 1;
  END LOOP;
  -- Parked in the moment in which somebody who can run it registered.
  PERFORM ${schema}.unpark();
  RETURN swept;
END $$;

-- A holder goes on purpose: what it still holds is treated as if lost, what never started as if never claimed.
CREATE OR REPLACE FUNCTION ${schema}.leave(p_incarnation uuid, p_reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(${schema}.holder_key(p_incarnation));
  UPDATE ${schema}.holder h SET standing = 'left', reason = p_reason, changed_at = now()
   WHERE h.incarnation = p_incarnation AND h.standing = 'live';
  IF FOUND THEN PERFORM ${schema}.take_away(p_incarnation, p_reason); END IF;
END $$;
`;
