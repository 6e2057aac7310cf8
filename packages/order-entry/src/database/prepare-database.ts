import { type ApplicationContext, OperationalError } from "@understudy/runtime";
import type { PoolClient } from "pg";
import { MigrationExecutor, type QueryRunner } from "typeorm";
import { schemaName } from "../entities/schema-name.ts";
import { drillEffects } from "../jobs/drill-sleep.ts";
import { hasDrills } from "../jobs/job-definitions.ts";
import { fillDatabase, type FirstDataSettings } from "../population/first-data.ts";
import { createDataSource, type DatabaseContext } from "./data-source.ts";
import { kindOfDatabaseError } from "./database-error.ts";

type PreparationContext = DatabaseContext & Pick<ApplicationContext, "configuration">;

/** Any number that nobody else uses: the first eight characters of SHA-256("understudy/order-entry"). */
const advisoryLock = 0xe2a5_61b0;

/**
 * Brings the tables to this version and puts the first data in. Several servers do this at once when a cluster starts:
 * one works, the others wait for it and find everything done. The lock ends with the connection, so a server that dies
 * here holds nobody up.
 * @throws OperationalError `database-unavailable` when the database is away; trying again is right.
 */
export async function prepareDatabase(context: PreparationContext, firstData: FirstDataSettings): Promise<void> {
  const { source, close } = createDataSource(context, { purpose: "preparing" });
  try {
    await source.initialize();
    const runner = source.createQueryRunner();
    try {
      await prepare(runner, context, firstData);
    } finally {
      await runner.release();
    }
  } catch (error) {
    const kind = kindOfDatabaseError(error);
    // The advisory lock ends with its connection, so what was lost here is begun again as a whole.
    if (kind === "fault" || kind === "refused") throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperationalError("database-unavailable", `The order entry cannot prepare its database: ${reason}`, {
      cause: error,
    });
  } finally {
    await close();
  }
}

async function prepare(runner: QueryRunner, context: PreparationContext, firstData: FirstDataSettings): Promise<void> {
  // Waiting for another server's first data, or making large ones, may outlast the limit that requests have.
  await runner.query("SET transaction_timeout = 0");
  await runner.query("SELECT pg_advisory_lock($1)", [advisoryLock]);
  await runner.query(`CREATE SCHEMA IF NOT EXISTS ${schemaName}`);
  const executor = new MigrationExecutor(runner.dataSource, runner);
  executor.transaction = "all";
  const executed = await executor.executePendingMigrations();
  if (executed.length > 0) {
    context.log.info({ migrations: executed.map(({ name }) => name) }, "order entry tables brought up to date");
  }
  if (hasDrills(context.configuration)) await runner.query(drillEffects);
  await fillDatabase((await runner.connect()) as PoolClient, firstData, context.log);
  await runner.query("SELECT pg_advisory_unlock($1)", [advisoryLock]);
}
