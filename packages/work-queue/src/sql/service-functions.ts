/**
 * Services: one holder each, and a term that rises with each change of hands. `holder` and `term` change in one
 * statement, so there is never a moment with two effective instances; effects compare the term (`assert_service`).
 */
export const serviceFunctions = (schema: string): string => `
-- Takes services that nobody runs.
CREATE OR REPLACE FUNCTION ${schema}.claim_services(
  p_incarnation uuid, p_queue text, p_types text[], p_limit integer, p_avoided text[]
)
RETURNS TABLE (name text, type text, payload text, term bigint) LANGUAGE plpgsql AS $$
DECLARE own text;
BEGIN
  PERFORM ${schema}.assert_standing(p_incarnation);
  SELECT h.id INTO own FROM ${schema}.holder h WHERE h.incarnation = p_incarnation;
  RETURN QUERY
  UPDATE ${schema}.service s
     SET holder = p_incarnation, term = s.term + 1, since = now(), reason = NULL, successor = NULL
   WHERE s.name IN (SELECT c.name FROM ${schema}.service c JOIN ${schema}.queue k ON k.id = c.queue
                     WHERE c.holder IS NULL AND NOT c.paused AND NOT k.paused AND k.name = p_queue
                       AND c.type = ANY (p_types) AND c.name <> ALL (p_avoided)
                       AND (c.placed_on IS NULL OR c.placed_on = own)
                     ORDER BY c.since NULLS FIRST LIMIT p_limit FOR UPDATE OF c SKIP LOCKED)
     AND s.holder IS NULL
  RETURNING s.name, s.type, s.payload::text, s.term;
END $$;

-- What one holder has, and what it is to take over from another.
CREATE OR REPLACE FUNCTION ${schema}.services_of(p_incarnation uuid)
RETURNS TABLE (name text, type text, payload text, term bigint, is_held boolean, is_successor boolean)
LANGUAGE sql STABLE AS $$
  SELECT s.name, s.type, s.payload::text, s.term, s.holder IS NOT DISTINCT FROM p_incarnation AND NOT s.paused,
         s.successor IS NOT DISTINCT FROM p_incarnation
    FROM ${schema}.service s WHERE s.holder = p_incarnation OR s.successor = p_incarnation
$$;

-- The hand-over itself: from this statement on the old instance has no effect. NULL: the wish was withdrawn.
CREATE OR REPLACE FUNCTION ${schema}.take_over_service(p_name text, p_incarnation uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE new_term bigint;
BEGIN
  PERFORM ${schema}.assert_standing(p_incarnation);
  UPDATE ${schema}.service s
     SET holder = p_incarnation, term = s.term + 1, since = now(), successor = NULL, reason = NULL
   WHERE s.name = p_name AND s.successor = p_incarnation AND NOT s.paused
  RETURNING s.term INTO new_term;
  IF new_term IS NOT NULL THEN PERFORM pg_notify('${schema}', 's'); END IF;
  RETURN new_term;
END $$;

CREATE OR REPLACE FUNCTION ${schema}.release_service(p_name text, p_incarnation uuid, p_term bigint, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE ${schema}.service s SET holder = NULL, since = now(), reason = p_reason
   WHERE s.name = p_name AND s.holder = p_incarnation AND s.term = p_term;
  IF FOUND THEN PERFORM pg_notify('${schema}', 's'); END IF;
  RETURN FOUND;
END $$;

-- For effects: inside the transaction that makes them.
CREATE OR REPLACE FUNCTION ${schema}.assert_service(p_name text, p_incarnation uuid, p_term bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(${schema}.effect_key(p_incarnation));
  PERFORM FROM ${schema}.service s
    WHERE s.name = p_name AND s.holder = p_incarnation AND s.term = p_term AND NOT s.paused FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Service "%" is no longer run by incarnation % under term %.', p_name, p_incarnation, p_term
      USING ERRCODE = 'UQ003';
  END IF;
END $$;

-- Placement: where it is to run. With a live instance elsewhere that is a hand-over, without one the next claim.
-- accepted: false when a higher term of the one who places was seen.
CREATE OR REPLACE FUNCTION ${schema}.place_service(
  p_name text, p_placed_on text, p_successor uuid, p_term bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF p_term IS NOT NULL THEN
    INSERT INTO ${schema}.fence AS f (scope, term) VALUES ('holders', p_term)
    ON CONFLICT (scope) DO UPDATE SET term = EXCLUDED.term WHERE f.term <= EXCLUDED.term;
    IF NOT FOUND THEN RETURN false; END IF;
  END IF;
  UPDATE ${schema}.service s
     SET placed_on = p_placed_on,
         successor = CASE WHEN s.holder IS NULL OR s.holder = p_successor THEN NULL ELSE p_successor END
   WHERE s.name = p_name;
  IF NOT FOUND THEN RAISE EXCEPTION 'There is no service "%".', p_name USING ERRCODE = 'UQ002'; END IF;
  PERFORM pg_notify('${schema}', 's');
  RETURN true;
END $$;
`;
