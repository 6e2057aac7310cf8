/**
 * Tables and functions of the queues. Safe to run at every start and by several at once; also as text, for migrations
 * of the application's own.
 */
import type { QueuePool } from "../queue/queue-pool.ts";
import { administrationFunctions } from "./administration-functions.ts";
import { claimFunctions } from "./claim-functions.ts";
import { enqueueFunctions } from "./enqueue-functions.ts";
import { holderFunctions } from "./holder-functions.ts";
import { scheduleFunctions } from "./schedule-functions.ts";
import { serviceFunctions } from "./service-functions.ts";
import { settleFunctions } from "./settle-functions.ts";
import { tables } from "./tables.ts";

export const standardSchema = "work_queue";

/** It stands in SQL texts and is the name of the channel for NOTIFY. */
export function checkedSchema(schema: string = standardSchema): string {
  if (!/^[a-z_][a-z0-9_]{0,40}$/.test(schema)) throw new TypeError(`"${schema}" is no name for a schema here`);
  return schema;
}

export function schemaSql(schema?: string): string {
  const name = checkedSchema(schema);
  return [
    // One at a time: CREATE IF NOT EXISTS and CREATE OR REPLACE collide when several do it at once.
    `SELECT pg_advisory_xact_lock(hashtextextended('${name}.install', 0));`,
    tables(name),
    enqueueFunctions(name),
    claimFunctions(name),
    settleFunctions(name),
    holderFunctions(name),
    administrationFunctions(name),
    serviceFunctions(name),
    scheduleFunctions(name),
  ].join("\n");
}

export async function installSchema(pool: QueuePool, schema?: string): Promise<void> {
  const client = await pool.connect();
  let failure: unknown;
  try {
    await client.query("BEGIN");
    await client.query(schemaSql(schema));
    await client.query("COMMIT");
  } catch (error) {
    failure = error;
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    client.release(failure instanceof Error ? failure : undefined);
  }
}
