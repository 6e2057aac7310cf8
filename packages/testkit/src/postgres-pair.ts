/**
 * A replicated PostgreSQL for tests that need no keeper: a primary and a synchronous standby, and the steps of a
 * failover one by one (`primary.kill()`, `promote()`, `rejoin()`), so that a test can look between them.
 *
 * Nobody acts here but the test: a killed member stays down, and two primaries at once are possible if it asks for
 * them. With `links`, clients reach each member through a TCP link of its own; replication does not pass through it.
 */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import {
  cloneStandby,
  configurePostgres,
  freePorts,
  postgresReady,
  preparePostgres,
  promotePostgres,
  type PostgresAddress,
  type PostgresOptions,
  type ReplicationOptions,
  type SynchronousStandbys,
} from "@understudy/engines";
import { EngineInstance } from "./engine-instance.ts";
import { eventually } from "./eventually.ts";
import { TcpLink } from "./tcp-link.ts";
import { temporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";

export interface PostgresPairOptions {
  readonly database?: string;
  /** Clients reach the members through TCP links, which a test can cut. */
  readonly links?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
}

const host = "127.0.0.1";
const password = "not-a-secret";
const replicationUser = "understudy_keeper";
const replicationPassword = createHmac("sha256", password).update(replicationUser).digest("hex");
const credentials = { user: replicationUser, password: replicationPassword };

/** `undefined` takes a setting away. */
interface Changes {
  readonly upstream?: PostgresAddress | undefined;
  readonly synchronous?: SynchronousStandbys | undefined;
}

/** One instance of the pair. `kill`, `freeze` and `thaw` reach all its backends. */
export class PostgresMember extends EngineInstance {
  private constructor(
    private readonly held: { options: PostgresOptions },
    readonly link: TcpLink | undefined,
  ) {
    super({
      name: held.options.name,
      prepare: () => preparePostgres(held.options),
      ready: (signal) =>
        held.options.replication?.upstream ? answersSql(held.options) : postgresReady(held.options, signal),
      options: { stopSignal: "SIGINT" },
    });
  }

  static of(options: PostgresOptions, link: TcpLink | undefined): PostgresMember {
    return new PostgresMember({ options }, link);
  }

  get name(): string {
    return this.held.options.name;
  }

  get options(): PostgresOptions {
    return this.held.options;
  }

  /** Where clients reach it: the link's port where there is one. */
  get port(): number {
    return this.link?.port ?? this.options.port;
  }

  /** Takes effect at the next start, or at once in a running server. */
  replicate(change: Changes): void {
    const { upstream, synchronous } = { ...this.options.replication, ...change };
    const replication: ReplicationOptions = {
      ...credentials,
      ...(upstream && { upstream }),
      ...(synchronous && { synchronous }),
    };
    this.held.options = { ...this.options, replication };
    if (this.pid === undefined) return;
    configurePostgres(this.options);
    process.kill(this.pid, "SIGHUP");
  }

  /** One statement as superuser, past the link. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const { port, database } = this.options;
    const client = new pg.Client({ host, port, user: "postgres", password, database, connectionTimeoutMillis: 5_000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async isInRecovery(): Promise<boolean> {
    const [row] = await this.query<{ recovering: boolean }>("SELECT pg_is_in_recovery() AS recovering");
    return row?.recovering ?? true;
  }
}

async function answersSql({ port, database }: PostgresOptions): Promise<void> {
  await eventually(
    async () => {
      const client = new pg.Client({
        host,
        port,
        user: "postgres",
        password,
        database,
        connectionTimeoutMillis: 2_000,
      });
      client.on("error", () => undefined);
      await client.connect().finally(() => void client.end().catch(() => undefined));
      return true;
    },
    { withinMs: 30_000, describe: "the standby answers" },
  );
}

export class PostgresPair {
  readonly #folder: TemporaryFolder;
  readonly #pools: pg.Pool[] = [];
  #members: [primary: PostgresMember, standby: PostgresMember];

  private constructor(
    folder: TemporaryFolder,
    readonly a: PostgresMember,
    readonly b: PostgresMember,
  ) {
    this.#folder = folder;
    this.#members = [a, b];
    writeFileSync(this.passwordFile, password, { mode: 0o600 });
  }

  /** `postgres-a` as primary, `postgres-b` as its synchronous standby: commits wait for both. */
  static async start({
    database = "understudy",
    links = false,
    settings = {},
  }: PostgresPairOptions = {}): Promise<PostgresPair> {
    const folder = temporaryFolder("postgres-pair");
    const [first = 0, second = 0] = await freePorts(2);
    const member = async (name: string, port: number) =>
      PostgresMember.of(
        {
          name,
          dataDir: join(folder.path, name),
          port,
          password,
          database,
          settings,
          replication: credentials,
        },
        links ? await TcpLink.start({ target: { host, port } }) : undefined,
      );
    const pair = new PostgresPair(folder, await member("postgres-a", first), await member("postgres-b", second));
    try {
      await pair.a.start();
      await pair.a.query(
        `CREATE ROLE ${replicationUser} LOGIN REPLICATION SUPERUSER PASSWORD '${replicationPassword}'`,
      );
      await pair.rejoin();
      return pair;
    } catch (error) {
      await pair.remove();
      throw error;
    }
  }

  /** The member that was promoted last. */
  get primary(): PostgresMember {
    return this.#members[0];
  }

  get standby(): PostgresMember {
    return this.#members[1];
  }

  /** For a client that knows several hosts, without the password: `postgres://postgres@host:port,host:port/database`. */
  get url(): string {
    const hosts = [this.a, this.b].map(({ port }) => `${host}:${port}`).join(",");
    return `postgres://postgres@${hosts}/${this.a.options.database}?instances=${this.a.name},${this.b.name}`;
  }

  get password(): string {
    return password;
  }

  get passwordFile(): string {
    return join(this.#folder.path, "password");
  }

  /**
   * Promotes the standby and resolves when it takes writes, alone; the pair's roles are swapped then. The old primary
   * is left as it is: kill or freeze it before, unless two primaries are the test.
   */
  async promote(): Promise<void> {
    const { standby } = this;
    if (standby.pid === undefined) throw new Error(`${standby.name} does not run.`);
    promotePostgres(standby.options.dataDir, standby.pid);
    this.#members = [standby, this.primary];
    await eventually(async () => !(await standby.isInRecovery()), { withinMs: 20_000, describe: "it is promoted" });
    // Its next start is that of a primary.
    standby.replicate({ upstream: undefined });
  }

  /** Clones the present primary into the other member, starts it and waits until commits wait for it. */
  async rejoin(): Promise<void> {
    const { primary, standby } = this;
    await standby.kill();
    const upstream = { host, port: primary.options.port };
    await cloneStandby({
      dataDir: standby.options.dataDir,
      from: upstream,
      replication: credentials,
      label: standby.name,
    });
    standby.replicate({ upstream, synchronous: undefined });
    await standby.start();
    await this.#seen(({ state }) => state === "streaming", "the standby streams");
    primary.replicate({ synchronous: { count: 1, standbys: [standby.name] } });
    await this.#seen(
      ({ sync_state }) => sync_state === "quorum" || sync_state === "sync",
      "the standby is synchronous",
    );
    // Commits wait only when the checkpointer has seen the new names; it has, once it made a checkpoint.
    await primary.query("CHECKPOINT");
  }

  /** Lets commits go on without a standby (policy `available`), as a keeper does after it recorded the loss. */
  async waitForNobody(): Promise<void> {
    this.primary.replicate({ synchronous: undefined });
    await this.primary.query("CHECKPOINT");
  }

  async #seen(holds: (row: { state: string; sync_state: string }) => boolean, describe: string): Promise<void> {
    const text = "SELECT state, sync_state FROM pg_stat_replication WHERE application_name = $1";
    await eventually(
      async () =>
        (await this.primary.query<{ state: string; sync_state: string }>(text, [this.standby.name])).some(holds),
      { withinMs: 20_000, describe },
    );
  }

  /** A plain pool to one member, through its link where there is one; ended by `remove`. */
  pool(member: PostgresMember = this.primary, options: pg.PoolConfig = {}): pg.Pool {
    const { database } = member.options;
    const pool = new pg.Pool({
      host,
      port: member.port,
      user: "postgres",
      password,
      database,
      connectionTimeoutMillis: 5_000,
      ...options,
    });
    pool.on("error", () => undefined);
    this.#pools.push(pool);
    return pool;
  }

  /** Ends pools, servers and links and removes the data. */
  async remove(): Promise<void> {
    await Promise.all([this.a.kill(), this.b.kill()]);
    await Promise.allSettled(this.#pools.filter((pool) => !pool.ended).map((pool) => pool.end()));
    await Promise.all([this.a.link?.stop(), this.b.link?.stop()]);
    this.#folder.remove();
  }
}
