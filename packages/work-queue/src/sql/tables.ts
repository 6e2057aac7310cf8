/**
 * Tables and indexes. Made for speed first:
 *
 * - `job` has what is not over and what needs a person: queued, running, failed. A completed job leaves it for the
 *   narrow table `completed`, so that `job` stays small however many were done.
 * - Each state that somebody looks for has a partial index of its own: fetching reads `job_fetch`, which holds nothing
 *   but jobs that may start now, in the order in which they start. A million queued, ten thousand delayed and a
 *   thousand failed jobs do not change what a fetch reads.
 * - Due jobs are moved from `delayed` to `queued` by whoever works (`promote_due`), heads of ordering keys from
 *   `waiting` to `queued` (`promote_lanes`); both states read "queued" outside.
 * - `seq`, given by the database, is the order: clocks of servers decide nothing.
 * - `lane_event` says "look at this ordering key": each change that could free a key leaves a row in its own
 *   transaction, so no enqueuing transaction ever locks out another one or a completion.
 * - Many short-lived rows: autovacuum looks at fixed numbers of rows instead of shares of the table.
 */
const busy = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000";
const analysed = "autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 2000";

export const tables = (schema: string): string => `
CREATE SCHEMA IF NOT EXISTS ${schema};

DO $$ BEGIN
  IF to_regtype('${schema}.job_state') IS NULL THEN
    CREATE TYPE ${schema}.job_state AS ENUM
      ('queued', 'delayed', 'waiting', 'running', 'parked', 'failed', 'aborted', 'cancelled');
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS ${schema}.queue (
  id                smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name              text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9_.-]{1,64}$'),
  kind              text NOT NULL DEFAULT 'jobs' CHECK (kind IN ('jobs', 'services')),
  max_payload_bytes integer NOT NULL DEFAULT 65536,
  max_losses        integer NOT NULL DEFAULT 20,
  keep_ended        interval NOT NULL DEFAULT '30 days',
  paused            boolean NOT NULL DEFAULT false,
  paused_reason     text
);

CREATE TABLE IF NOT EXISTS ${schema}.job (
  -- What is never NULL and of one width first, what mostly is NULL last: half of the cost of reading a row.
  id            uuid NOT NULL PRIMARY KEY,
  seq           bigint GENERATED ALWAYS AS IDENTITY,
  run_at        timestamptz NOT NULL DEFAULT now(),
  enqueued_at   timestamptz NOT NULL DEFAULT now(),
  attempt       integer NOT NULL DEFAULT 0,
  first_attempt integer NOT NULL DEFAULT 0,
  max_attempts  integer NOT NULL,
  losses        integer NOT NULL DEFAULT 0,
  state         ${schema}.job_state NOT NULL,
  queue         smallint NOT NULL,
  priority      smallint NOT NULL DEFAULT 0,
  restartable   boolean NOT NULL,
  cancelling    boolean NOT NULL DEFAULT false,
  type          text NOT NULL,
  payload       json NOT NULL,
  holder        uuid,
  started_at    timestamptz,
  ended_at      timestamptz,
  unique_key    text,
  ordering_key  text,
  progress      json,
  reason        text
) WITH (${busy}, ${analysed}, fillfactor = 90);

CREATE INDEX IF NOT EXISTS job_fetch ON ${schema}.job (queue, priority DESC, seq) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS job_due ON ${schema}.job (run_at) WHERE state = 'delayed';
CREATE INDEX IF NOT EXISTS job_held ON ${schema}.job (holder) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS job_ended ON ${schema}.job (state, queue, ended_at)
  WHERE state IN ('parked', 'failed', 'aborted', 'cancelled');
CREATE INDEX IF NOT EXISTS job_lane_waiting ON ${schema}.job (queue, ordering_key, seq) WHERE state = 'waiting';
CREATE UNIQUE INDEX IF NOT EXISTS job_lane_active ON ${schema}.job (queue, ordering_key)
  WHERE ordering_key IS NOT NULL AND state IN ('queued', 'delayed', 'running');
CREATE UNIQUE INDEX IF NOT EXISTS job_unique ON ${schema}.job (queue, unique_key)
  WHERE unique_key IS NOT NULL AND state IN ('queued', 'delayed', 'waiting', 'running', 'parked');

CREATE TABLE IF NOT EXISTS ${schema}.completed (
  id          uuid NOT NULL PRIMARY KEY,
  enqueued_at timestamptz NOT NULL,
  started_at  timestamptz NOT NULL,
  ended_at    timestamptz NOT NULL,
  keep_until  timestamptz NOT NULL,
  holder      uuid NOT NULL,
  attempt     integer NOT NULL,
  queue       smallint NOT NULL,
  type        text NOT NULL,
  result      json
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 10000);
CREATE INDEX IF NOT EXISTS completed_keep_until ON ${schema}.completed (keep_until);

CREATE TABLE IF NOT EXISTS ${schema}.lane_event (
  queue        smallint NOT NULL,
  ordering_key text NOT NULL
) WITH (${busy});

CREATE TABLE IF NOT EXISTS ${schema}.holder (
  incarnation   uuid PRIMARY KEY,
  id            text NOT NULL,
  standing      text NOT NULL CHECK (standing IN ('live', 'left', 'lost')),
  reason        text,
  -- Guarded: its fellow workers look after it. Otherwise only loseHolder declares it lost.
  guarded       boolean NOT NULL DEFAULT false,
  session       integer NOT NULL DEFAULT 0,
  beat          bigint NOT NULL DEFAULT 0,
  can_run       jsonb NOT NULL DEFAULT '{}',
  registered_at timestamptz NOT NULL DEFAULT now(),
  changed_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

CREATE TABLE IF NOT EXISTS ${schema}.fence (
  scope text PRIMARY KEY,
  term  bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS ${schema}.service (
  name       text PRIMARY KEY,
  queue      smallint NOT NULL REFERENCES ${schema}.queue (id),
  type       text NOT NULL,
  payload    json NOT NULL DEFAULT 'null',
  paused     boolean NOT NULL DEFAULT false,
  -- An id of a holder, such as app-server-b: only that one may take it. NULL: whoever is free.
  placed_on  text,
  holder     uuid,
  term       bigint NOT NULL DEFAULT 0,
  successor  uuid,
  since      timestamptz,
  reason     text
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS ${schema}.schedule (
  name         text PRIMARY KEY,
  queue        smallint NOT NULL REFERENCES ${schema}.queue (id),
  type         text NOT NULL,
  payload      json NOT NULL DEFAULT 'null',
  restartable  boolean NOT NULL,
  max_attempts integer NOT NULL,
  cron         text NOT NULL,
  time_zone    text NOT NULL,
  missed       text NOT NULL CHECK (missed IN ('skip', 'once', 'all')),
  paused       boolean NOT NULL DEFAULT false,
  next_due     timestamptz
);

CREATE TABLE IF NOT EXISTS ${schema}.schedule_firing (
  schedule text NOT NULL,
  due      timestamptz NOT NULL,
  job      uuid,
  fired_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (schedule, due)
);
`;
