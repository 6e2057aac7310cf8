import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { freePorts, postgresReady, preparePostgres, type PostgresOptions } from "@understudy/engines";
import { EngineInstance } from "./engine-instance.ts";
import { temporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";

export interface PostgresServerOptions {
  readonly name?: string;
  readonly database?: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/** A real PostgreSQL for one test. `kill`, `freeze` and `thaw` reach all its backends. */
export class PostgresServer extends EngineInstance {
  readonly #pools: pg.Pool[] = [];
  readonly #folder: TemporaryFolder;
  readonly options: PostgresOptions;

  private constructor(folder: TemporaryFolder, options: PostgresOptions) {
    super({
      name: options.name,
      prepare: () => preparePostgres(options),
      ready: (signal) => postgresReady(options, signal),
      options: { stopSignal: "SIGINT" },
    });
    this.options = options;
    this.#folder = folder;
    writeFileSync(this.passwordFile, options.password, { mode: 0o600 });
  }

  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    for (let tries = 1; ; tries++) {
      try {
        return await PostgresServer.#start(options);
      } catch (error) {
        // Another run of tests took the port between its choice and the end of initdb.
        if (tries === 3 || !(error as Error).message.includes("Address already in use")) throw error;
      }
    }
  }

  static async #start({
    name = "postgres-a",
    database = "understudy",
    settings = {},
  }: PostgresServerOptions): Promise<PostgresServer> {
    const folder = temporaryFolder("postgres");
    const [port = 0] = await freePorts(1);
    const server = new PostgresServer(folder, {
      name,
      dataDir: join(folder.path, "data"),
      port,
      password: "not-a-secret",
      database,
      settings,
    });
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.remove();
      throw error;
    }
  }

  /** Without the password. */
  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.options.port}/${this.options.database}`;
  }

  get password(): string {
    return this.options.password;
  }

  get passwordFile(): string {
    return join(this.#folder.path, "password");
  }

  /** A pool of plain connections as superuser, ended by `remove`. */
  pool(options: pg.PoolConfig = {}): pg.Pool {
    const pool = new pg.Pool({
      host: "127.0.0.1",
      port: this.options.port,
      user: "postgres",
      password: this.options.password,
      database: this.options.database,
      connectionTimeoutMillis: 5_000,
      ...options,
    });
    // Idle connections that break when a test kills the server are no failure of the test.
    pool.on("error", () => undefined);
    this.#pools.push(pool);
    return pool;
  }

  /** Ends pools and server and removes the data. */
  async remove(): Promise<void> {
    await this.kill();
    await Promise.allSettled(this.#pools.filter((pool) => !pool.ended).map((pool) => pool.end()));
    this.#folder.remove();
  }
}
