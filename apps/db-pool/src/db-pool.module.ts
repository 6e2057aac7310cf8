import { Module, type DynamicModule } from "@nestjs/common";
import { HeartbeatModule } from "@understudy/heartbeat";
import { SettingsWatch, type ServiceContext } from "@understudy/runtime";
import type { DbPoolConfiguration } from "./db-pool.config.ts";
import { DbPoolController } from "./db-pool.controller.ts";
import { DATABASES, DbPool } from "./db-pool.ts";
import { DatabaseHistory } from "./history/database-history.ts";
import { DbPoolMetrics } from "./metrics.ts";
import { PoolBoard } from "./pools/pool-board.ts";
import { TopologyStore } from "./topology/topology-store.ts";
import { WatchedDatabase } from "./topology/watched-database.ts";

/** The composition root. */
@Module({})
export class DbPoolModule {
  static forService({
    configuration,
    identity,
    log,
    nats,
    shutdown,
  }: ServiceContext<DbPoolConfiguration>): DynamicModule {
    // Three copies survive the loss of one node; fewer nodes cannot hold three.
    const replicas = configuration.UNDERSTUDY_NATS_SERVERS.length >= 3 ? 3 : 1;
    const settings = new SettingsWatch(nats, log);
    settings.start();
    shutdown.on("close-nats", "settings", () => settings.stop());
    const store = new TopologyStore(nats, replicas, log);
    const databases = configuration.UNDERSTUDY_DATABASES.map(
      ({ name, address, password, authority }) =>
        new WatchedDatabase(
          name,
          address.hosts.map(({ instance, host, port }) => ({
            id: instance,
            host,
            port,
            user: address.user,
            password,
            authority,
            database: address.database,
          })),
          nats,
          store,
          identity,
          log,
        ),
    );
    return {
      module: DbPoolModule,
      imports: [HeartbeatModule.forService({ settings })],
      controllers: [DbPoolController],
      providers: [
        { provide: TopologyStore, useValue: store },
        { provide: DATABASES, useValue: databases },
        { provide: PoolBoard, useValue: new PoolBoard(nats, replicas, log) },
        { provide: DatabaseHistory, useValue: new DatabaseHistory(nats) },
        DbPoolMetrics,
        DbPool,
      ],
    };
  }
}
