import pg from "pg";
import { defaultHost, defaultSuperuser, type PostgresOptions } from "./postgres-configuration.ts";
import { until } from "./until.ts";

type Target = Pick<PostgresOptions, "name" | "host" | "port" | "superuser" | "password" | "database" | "tls">;

const attemptMs = 3_000;
// Another process made the database between our look and our try: 42P04, or 23505 in the same instant.
const madeMeanwhile = new Set(["42P04", "23505"]);

async function makeDatabase(client: pg.Client, database: string): Promise<void> {
  const found = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [database]);
  if (found.rowCount !== 0) return;
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`);
  } catch (error) {
    if (!madeMeanwhile.has((error as { code?: string }).code ?? "")) throw error;
  }
}

/** Resolves when the server answers SQL and `database` exists. Rejects when `signal` aborts. */
export function postgresReady(options: Target, signal?: AbortSignal): Promise<void> {
  return until(options.name, signal, async () => {
    const client = new pg.Client({
      host: options.host ?? defaultHost,
      port: options.port,
      user: options.superuser ?? defaultSuperuser,
      password: options.password,
      database: "postgres",
      ...(options.tls && { ssl: { ca: options.tls.authority } }),
      connectionTimeoutMillis: attemptMs,
      query_timeout: 20_000,
    });
    // A server that goes away meanwhile also says so here; the query in work rejects as well.
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query("SELECT 1");
      await makeDatabase(client, options.database);
    } finally {
      await client.end().catch(() => undefined);
    }
  });
}
