/**
 * Enqueuing. `enqueue` takes jobs of one type, in one statement; `enqueue_one` knows the caller's id or a unique key.
 *
 * Payloads travel as one text, one JSON document per line (JSON holds no bare newline): cheaper than an array on both
 * sides. Documents stand in `json`, not `jsonb`: checked, kept as they came, and twice as fast to store.
 */
export const enqueueFunctions = (schema: string): string => `
CREATE OR REPLACE FUNCTION ${schema}.queue_id(p_name text) RETURNS smallint LANGUAGE plpgsql STABLE AS $$
DECLARE found_id smallint;
BEGIN
  SELECT q.id INTO found_id FROM ${schema}.queue q WHERE q.name = p_name;
  IF found_id IS NULL THEN RAISE EXCEPTION 'There is no queue "%".', p_name USING ERRCODE = 'UQ002'; END IF;
  RETURN found_id;
END $$;

CREATE OR REPLACE FUNCTION ${schema}.enqueue(
  p_queue text, p_type text, p_restartable boolean, p_max_attempts integer, p_priority smallint,
  p_ids uuid[], p_payloads text,
  p_priorities smallint[], p_delays_ms double precision[], p_run_ats timestamptz[], p_ordering_keys text[],
  p_notify boolean
) RETURNS integer LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  q smallint := ${schema}.queue_id(p_queue);
  added integer;
BEGIN
  IF p_priorities IS NULL AND p_delays_ms IS NULL AND p_run_ats IS NULL AND p_ordering_keys IS NULL THEN
    INSERT INTO ${schema}.job (id, state, queue, priority, restartable, max_attempts, type, payload)
    SELECT d.id, 'queued', q, p_priority, p_restartable, p_max_attempts, p_type, d.payload::json
      FROM unnest(p_ids, string_to_array(p_payloads, E'\\n')) AS d (id, payload);
    GET DIAGNOSTICS added = ROW_COUNT;
    IF p_notify THEN PERFORM pg_notify('${schema}', 'q ' || p_queue); END IF;
    RETURN added;
  END IF;

  INSERT INTO ${schema}.job
    (id, state, queue, priority, restartable, max_attempts, type, payload, run_at, ordering_key)
  SELECT d.id,
         (CASE WHEN d.ordering_key IS NOT NULL THEN 'waiting' WHEN due.at > now() THEN 'delayed' ELSE 'queued' END)::${schema}.job_state,
         q, coalesce(d.priority, p_priority), p_restartable, p_max_attempts, p_type, d.payload::json,
         due.at, d.ordering_key
    FROM unnest(p_ids, string_to_array(p_payloads, E'\\n'), p_priorities, p_delays_ms, p_run_ats, p_ordering_keys)
           AS d (id, payload, priority, delay_ms, run_at, ordering_key)
   CROSS JOIN LATERAL (SELECT coalesce(d.run_at, now() + d.delay_ms * interval '1 ms', now()) AS at) due;
  GET DIAGNOSTICS added = ROW_COUNT;

  IF p_ordering_keys IS NOT NULL THEN
    INSERT INTO ${schema}.lane_event (queue, ordering_key)
    SELECT DISTINCT q, k FROM unnest(p_ordering_keys) k WHERE k IS NOT NULL;
    PERFORM pg_notify('${schema}', 'l');
  END IF;
  IF p_delays_ms IS NOT NULL OR p_run_ats IS NOT NULL THEN PERFORM pg_notify('${schema}', 'd'); END IF;
  IF p_notify THEN PERFORM pg_notify('${schema}', 'q ' || p_queue); END IF;
  RETURN added;
END $$;

CREATE OR REPLACE FUNCTION ${schema}.enqueue_one(
  p_queue text, p_type text, p_restartable boolean, p_max_attempts integer, p_priority smallint,
  p_id uuid, p_payload text, p_delay_ms double precision, p_run_at timestamptz, p_ordering_key text,
  p_unique_key text, p_if_exists text, p_notify boolean, OUT id uuid, OUT outcome text
) LANGUAGE plpgsql AS $$
DECLARE
  q smallint := ${schema}.queue_id(p_queue);
  due timestamptz := coalesce(p_run_at, now() + p_delay_ms * interval '1 ms', now());
  new_state ${schema}.job_state :=
    CASE WHEN p_ordering_key IS NOT NULL THEN 'waiting' WHEN due > now() THEN 'delayed' ELSE 'queued' END;
  found_state ${schema}.job_state;
BEGIN
  FOR try IN 1..20 LOOP
    id := p_id;
    PERFORM FROM ${schema}.completed c WHERE c.id = p_id;
    IF FOUND THEN outcome := 'known'; RETURN; END IF;
    INSERT INTO ${schema}.job AS j
      (id, state, queue, priority, restartable, max_attempts, type, payload, run_at, ordering_key, unique_key)
    VALUES (p_id, new_state, q, p_priority, p_restartable, p_max_attempts, p_type, p_payload::json, due,
            p_ordering_key, p_unique_key)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN outcome := 'enqueued'; EXIT; END IF;
    PERFORM FROM ${schema}.job j WHERE j.id = p_id;
    IF FOUND THEN outcome := 'known'; RETURN; END IF;

    IF p_if_exists <> 'replace' THEN
      SELECT j.id INTO id FROM ${schema}.job j
       WHERE j.queue = q AND j.unique_key = p_unique_key
         AND j.state IN ('queued', 'delayed', 'waiting', 'running', 'parked');
      CONTINUE WHEN NOT FOUND;
      outcome := CASE p_if_exists WHEN 'skip' THEN 'skipped' ELSE 'rejected' END;
      RETURN;
    END IF;
    SELECT j.id, j.state INTO id, found_state FROM ${schema}.job j
     WHERE j.queue = q AND j.unique_key = p_unique_key
       AND j.state IN ('queued', 'delayed', 'waiting', 'running', 'parked')
       FOR UPDATE;
    CONTINUE WHEN NOT FOUND;
    IF found_state = 'running' THEN
      -- What runs cannot be replaced: it goes on without its key, and the new one is run after it.
      UPDATE ${schema}.job j SET unique_key = NULL WHERE j.id = enqueue_one.id;
      CONTINUE;
    END IF;
    UPDATE ${schema}.job j
       SET type = p_type, payload = p_payload::json, restartable = p_restartable, max_attempts = p_max_attempts,
           priority = p_priority, run_at = due, reason = NULL, first_attempt = j.attempt,
           ordering_key = p_ordering_key, state = new_state
     WHERE j.id = enqueue_one.id;
    outcome := 'replaced';
    EXIT;
  END LOOP;
  IF outcome IS NULL THEN
    RAISE EXCEPTION 'The job with unique key "%" changed all the time.', p_unique_key USING ERRCODE = '40001';
  END IF;
  IF p_ordering_key IS NOT NULL THEN
    INSERT INTO ${schema}.lane_event (queue, ordering_key) VALUES (q, p_ordering_key);
    PERFORM pg_notify('${schema}', 'l');
  ELSIF new_state = 'delayed' THEN PERFORM pg_notify('${schema}', 'd');
  ELSIF p_notify THEN PERFORM pg_notify('${schema}', 'q ' || p_queue);
  END IF;
END $$;
`;
