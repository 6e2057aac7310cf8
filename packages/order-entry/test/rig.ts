/** A PostgreSQL with databases of their own for each test, and order entries hosted as an app server hosts them. */
import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import {
  type ApplicationContext,
  createLog,
  createPool,
  type FailoverPool,
  Identity,
  installWorkQueue,
  standingSchema,
  workQueueSchema,
} from "@understudy/runtime";
import { WorkQueue } from "@understudy/work-queue";
import { PostgresServer } from "@understudy/testkit";
import type { Pool } from "pg";
import { application } from "@understudy/order-entry";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Tests look at what an answer has, whatever its form.
  readonly body: Record<string, unknown> & { readonly items: Record<string, unknown>[] };
}

export interface ContextOptions {
  readonly id?: string;
  readonly configuration?: Readonly<Record<string, unknown>>;
  readonly connections?: number;
  /** Another way to the database than the direct one. */
  readonly port?: number;
}

export const smallest = { UNDERSTUDY_ORDER_ENTRY_DENSITY: 1 };

export class OrderEntryRig {
  readonly #hosts: OrderEntryHost[] = [];
  readonly #pools: FailoverPool[] = [];

  private constructor(
    readonly server: PostgresServer,
    readonly database: string,
    readonly pool: Pool,
  ) {}

  static async start(server: PostgresServer, database: string): Promise<OrderEntryRig> {
    const admin = server.pool({ max: 1 });
    await admin.query(`CREATE DATABASE ${database}`);
    await admin.end();
    const pool = server.pool({ database });
    await pool.query(standingSchema);
    await installWorkQueue(pool);
    const queue = new WorkQueue({ pool, schema: workQueueSchema });
    await queue.queues.define({ name: "USERJOBS" });
    await queue.queues.define({ name: "MASSJOBS" });
    await queue.queues.define({ name: "SERVICES", kind: "services" });
    return new OrderEntryRig(server, database, pool);
  }

  /** Contexts of an app server that a message server accepted. */
  async accepted({ id = "app-server-a", ...options }: ContextOptions = {}): Promise<ApplicationContext> {
    const context = this.context({ id, ...options });
    await this.pool.query(
      "INSERT INTO understudy.instance_standing (incarnation, id, machine, standing, term) VALUES ($1, $2, 'machine-a', 'accepted', 1)",
      [context.identity.incarnation, id],
    );
    return context;
  }

  /** As `accepted`, before any message server has heard of it. */
  context({
    id = "app-server-a",
    configuration = smallest,
    connections = 10,
    port,
  }: ContextOptions = {}): ApplicationContext {
    const url = new URL(this.server.url);
    url.pathname = `/${this.database}`;
    if (port !== undefined) url.port = String(port);
    const identity = new Identity({
      kind: "app-server",
      id,
      cluster: "understudy",
      site: "site-1",
      machine: "machine-a",
    });
    const log = createLog("silent", "json", {});
    const database = { url: url.href, password: this.server.password, connections };
    const workPool = createPool(database, identity, { assertsStanding: true }, log);
    this.#pools.push(workPool);
    const jobs = application.jobs?.(configuration) ?? [];
    const queue = new WorkQueue({ pool: workPool, schema: workQueueSchema, jobs });
    return { identity, log, database, configuration, queue, workPool };
  }

  async host(options: ContextOptions = {}): Promise<OrderEntryHost> {
    const context = await this.accepted(options);
    await application.prepare(context);
    const host = await OrderEntryHost.start(context);
    this.#hosts.push(host);
    return host;
  }

  async declareLost({ identity }: ApplicationContext): Promise<void> {
    await this.pool.query("UPDATE understudy.instance_standing SET standing = 'lost' WHERE incarnation = $1", [
      identity.incarnation,
    ]);
    await this.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1", [
      `%${identity.incarnation}`,
    ]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()));
    await Promise.all(this.#pools.map((pool) => pool.end()));
    await this.pool.end();
  }
}

export class OrderEntryHost {
  private constructor(
    readonly context: ApplicationContext,
    private readonly app: NestFastifyApplication,
    readonly url: string,
  ) {}

  static async start(context: ApplicationContext): Promise<OrderEntryHost> {
    // A connection that was opened and has sent nothing yet would keep `close` waiting for a minute.
    const adapter = new FastifyAdapter({ forceCloseConnections: true });
    const app = await NestFactory.create<NestFastifyApplication>(application.module(context), adapter, {
      logger: false,
      abortOnError: false,
    });
    await app.listen(0, "127.0.0.1");
    return new OrderEntryHost(context, app, await app.getUrl());
  }

  async get(path: string): Promise<Answer> {
    return answerOf(await fetch(`${this.url}${path}`));
  }

  async order(key: string, body: object): Promise<Answer> {
    return this.post({ "content-type": "application/json", "idempotency-key": key }, JSON.stringify(body));
  }

  async post(headers: Record<string, string>, body: string | undefined): Promise<Answer> {
    return answerOf(
      await fetch(`${this.url}/api/orders`, { method: "POST", headers, ...(body !== undefined && { body }) }),
    );
  }

  async stop(): Promise<void> {
    await this.app.close();
  }
}

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer["body"] };
}

export const order = (customerId: number, ...positions: [itemId: number, quantity: number][]): object => ({
  customerId,
  positions: positions.map(([itemId, quantity]) => ({ itemId, quantity })),
});
