/**
 * The peers, as their documentation says to use them. They are not among our dependencies: imported from the folder in
 * which the bench installed them, and so without types; only what is called stands here.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import pg from "pg";
import { poolSize, type Adapter, type BenchPayload, type MakeAdapter, type Target } from "./adapter.ts";

interface Maker<Made> {
  new (...args: readonly unknown[]): Made;
}

async function peer<Module>({ peers }: Target, name: string): Promise<Module> {
  const path = createRequire(join(peers, "package.json")).resolve(name);
  return (await import(pathToFileURL(path).href)) as Module;
}

async function dropSchema({ url }: Target, schema: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await client.end();
}

function counter({ url }: Target, query: string): () => Promise<number> {
  let pool: pg.Pool | undefined;
  return async () => {
    pool ??= new pg.Pool({ connectionString: url, max: 1 });
    const { rows } = await pool.query<{ n: number }>(query);
    return rows[0]?.n ?? 0;
  };
}

interface Boss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<unknown>;
  createQueue(name: string, options: object): Promise<unknown>;
  send(name: string, data: object): Promise<unknown>;
  insert(name: string, jobs: readonly object[]): Promise<unknown>;
  work(
    name: string,
    options: object,
    handler: (jobs: readonly { data: BenchPayload }[]) => Promise<void>,
  ): Promise<unknown>;
}

export const pgBossAdapter: MakeAdapter = (target, { boss = {}, queue = {}, work = {} }): Adapter => {
  const started = async (options: object): Promise<Boss> => {
    const { PgBoss } = await peer<{ PgBoss: Maker<Boss> }>(target, "pg-boss");
    const made = new PgBoss({
      connectionString: target.url,
      max: poolSize,
      schedule: false,
      ...(boss as object),
      ...options,
    });
    made.on("error", (error) => console.error("pg-boss", error.message));
    await made.start();
    return made;
  };
  return {
    async reset() {
      await dropSchema(target, "pgboss");
      const made = await started({});
      await made.createQueue("bench", queue as object);
      await made.stop({ graceful: false });
    },
    async producer() {
      const made = await started({ supervise: false });
      return {
        add: (payload) => made.send("bench", payload),
        addMany: (payloads) =>
          made.insert(
            "bench",
            payloads.map((data) => ({ data })),
          ),
        close: () => made.stop({ graceful: false }),
      };
    },
    async consumer(handler) {
      const made = await started({});
      return () =>
        made.work("bench", work as object, async (jobs) => {
          await Promise.all(jobs.map(async ({ data }) => handler(data)));
        });
    },
    pending: counter(target, "SELECT count(*)::int AS n FROM pgboss.job WHERE name = 'bench' AND state < 'completed'"),
  };
};

interface Graphile {
  readonly Logger: Maker<unknown>;
  runMigrations(options: object): Promise<void>;
  makeWorkerUtils(options: object): Promise<{
    addJob(task: string, payload: object): Promise<unknown>;
    addJobs(jobs: readonly object[]): Promise<unknown>;
    release(): Promise<unknown>;
  }>;
  run(options: object): Promise<unknown>;
}

export const graphileAdapter: MakeAdapter = (target, { worker = {} }): Adapter => {
  const load = async () => {
    const graphile = await peer<Graphile>(target, "graphile-worker");
    const logger = new graphile.Logger(() => (level: string, message: string) => {
      if (level === "error") console.error("graphile-worker", message);
    });
    return { graphile, logger };
  };
  return {
    async reset() {
      await dropSchema(target, "graphile_worker");
      const { graphile, logger } = await load();
      await graphile.runMigrations({ connectionString: target.url, logger });
    },
    async producer() {
      const { graphile, logger } = await load();
      const utils = await graphile.makeWorkerUtils({
        preset: { worker: { connectionString: target.url, maxPoolSize: poolSize, logger } },
      });
      return {
        add: (payload) => utils.addJob("bench", payload),
        addMany: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: "bench", payload }))),
        close: () => utils.release(),
      };
    },
    async consumer(handler) {
      const { graphile, logger } = await load();
      return () =>
        graphile.run({
          preset: { worker: { connectionString: target.url, logger, ...(worker as object) } },
          taskList: { bench: (payload: BenchPayload) => handler(payload) },
          noHandleSignals: true,
        });
    },
    pending: counter(target, "SELECT count(*)::int AS n FROM graphile_worker._private_jobs"),
  };
};

interface BullQueue {
  on(event: "error", listener: (error: Error) => void): void;
  waitUntilReady(): Promise<unknown>;
  add(name: string, data: object): Promise<unknown>;
  addBulk(jobs: readonly object[]): Promise<unknown>;
  getJobCounts(...states: readonly string[]): Promise<Record<string, number>>;
  obliterate(options: object): Promise<unknown>;
  close(): Promise<unknown>;
}
interface BullWorker {
  on(event: "error", listener: (error: Error) => void): void;
  waitUntilReady(): Promise<unknown>;
  run(): Promise<unknown>;
}
interface Bull {
  readonly Queue: Maker<BullQueue>;
  readonly Worker: Maker<BullWorker>;
  readonly createPostgresBackend?: unknown;
}

export const bullAdapter: MakeAdapter = (target, { backend = "redis", worker = {} }): Adapter => {
  const isRedis = backend === "redis";
  const more = (bull: Bull): readonly unknown[] => (isRedis ? [] : [bull.createPostgresBackend]);
  const connection = (migrate: boolean): object =>
    isRedis
      ? { host: "127.0.0.1", port: target.redisPort }
      : { connectionString: target.url, max: poolSize, ...(migrate && { migrate }) };
  const quiet = <Made extends BullQueue | BullWorker>(made: Made): Made => {
    made.on("error", (error) => console.error("bullmq", error.message));
    return made;
  };
  const queue = async (migrate = false): Promise<BullQueue> => {
    const bull = await peer<Bull>(target, "bullmq");
    const options = { connection: connection(migrate), defaultJobOptions: { removeOnComplete: true } };
    const made = quiet(new bull.Queue("bench", options, ...more(bull)));
    await made.waitUntilReady();
    return made;
  };
  let counted: BullQueue | undefined;
  return {
    async reset() {
      if (!isRedis) await dropSchema(target, "bullmq");
      const made = await queue(true);
      if (isRedis) await made.obliterate({ force: true });
      await made.close();
    },
    async producer() {
      const made = await queue();
      return {
        add: (payload) => made.add("bench", payload),
        addMany: (payloads) => made.addBulk(payloads.map((data) => ({ name: "bench", data }))),
        close: () => made.close(),
      };
    },
    async consumer(handler) {
      const bull = await peer<Bull>(target, "bullmq");
      const options = { connection: connection(false), autorun: false, ...(worker as object) };
      const made = quiet(
        new bull.Worker("bench", ({ data }: { data: BenchPayload }) => handler(data), options, ...more(bull)),
      );
      await made.waitUntilReady();
      return () => void made.run().catch((error: unknown) => console.error("bullmq", error));
    },
    async pending() {
      counted ??= await queue();
      const counts = await counted.getJobCounts("wait", "active", "prioritized", "delayed");
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
  };
};
