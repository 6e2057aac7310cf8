/**
 * The standing of app servers' incarnations in PostgreSQL: the one place that says who may touch the database.
 * The message server writes it, fenced by its term; every new connection of an app server reads it under lock.
 */
import type { ClientBase } from "pg";
import type { InstanceRef } from "@understudy/contracts";

export const standingSchema = `
  CREATE SCHEMA IF NOT EXISTS understudy;
  CREATE TABLE IF NOT EXISTS understudy.instance_standing (
    incarnation uuid PRIMARY KEY,
    id          text NOT NULL,
    machine     text NOT NULL,
    standing    text NOT NULL CHECK (standing IN ('accepted', 'left', 'lost')),
    term        bigint NOT NULL,
    reason      text NOT NULL DEFAULT '',
    changed_at  timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX IF NOT EXISTS instance_standing_id ON understudy.instance_standing (id, changed_at DESC);

  -- Of an incarnation that was lost while it prepared, the owner's sessions: whoever serves as another role may not end
  -- them itself, and one that holds the lock of the migrations would keep everybody waiting.
  CREATE OR REPLACE FUNCTION understudy.end_preparations(p_session text) RETURNS integer
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))::integer FROM pg_stat_activity
     WHERE application_name = p_session AND p_session LIKE 'understudy:%'
       AND usename = current_user AND current_user <> session_user
  $$;
`;

/** True when the incarnation was accepted and not declared lost. Waits for a verdict that is being written. */
export async function assertStanding(client: ClientBase, instance: InstanceRef): Promise<boolean> {
  const result = await client.query(
    "SELECT 1 FROM understudy.instance_standing WHERE incarnation = $1 AND id = $2 AND standing = 'accepted' FOR SHARE",
    [instance.incarnation, instance.id],
  );
  return result.rowCount === 1;
}
