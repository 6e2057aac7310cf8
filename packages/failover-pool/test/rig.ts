/** A real PostgreSQL, a link that can be cut between it and the pool, and pools over that link. */
import pg from "pg";
import { PostgresServer, TcpLink } from "@understudy/testkit";
import { FailoverPool, type FailoverPoolOptions } from "@understudy/failover-pool";

export interface Rig {
  readonly server: PostgresServer;
  readonly link: TcpLink;
  /** Straight to the server, past the link. */
  readonly direct: pg.Pool;
  pool(options?: FailoverPoolOptions): FailoverPool;
  plain(options?: pg.PoolConfig): pg.Pool;
  stop(): Promise<void>;
}

export async function startRig(settings: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const server = await PostgresServer.start({ settings });
  const link = await TcpLink.start({ target: { host: "127.0.0.1", port: server.options.port } });
  const login = { user: "postgres", password: server.password, database: server.options.database };
  const pools: pg.Pool[] = [];
  return {
    server,
    link,
    direct: server.pool(),
    pool(options = {}) {
      const pool = new FailoverPool({
        ...login,
        hosts: [{ id: "postgres-a", host: "127.0.0.1", port: link.port }],
        ...options,
      });
      pools.push(pool);
      return pool;
    },
    plain(options = {}) {
      const pool = new pg.Pool({ ...login, host: "127.0.0.1", port: link.port, ...options });
      pool.on("error", () => undefined);
      pools.push(pool);
      return pool;
    },
    async stop() {
      await Promise.allSettled(pools.filter((pool) => !pool.ending).map((pool) => pool.end()));
      await link.stop();
      await server.remove();
    },
  };
}
