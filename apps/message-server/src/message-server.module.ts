import type { DynamicModule } from "@nestjs/common";
import { Module } from "@nestjs/common";
import { DiscoveryModule } from "@nestjs/core";
import {
  clusterRoles,
  messageServerRole,
  rolesKey,
  routingKey,
  settingsKey,
  versionedSettings,
} from "@understudy/contracts";
import { BeatBoard, HeartbeatModule } from "@understudy/heartbeat";
import { Elector, LeadershipHooks, NatsLeaseStore, standardTiming } from "@understudy/leadership";
import {
  createPool,
  databaseAddress,
  databaseSettings,
  NatsConnections,
  NatsWakeUp,
  PoolWire,
  SettingsWatch,
  Shutdown,
  withOwner,
  workQueueSchema,
  type ServiceContext,
} from "@understudy/runtime";
import { WorkQueue } from "@understudy/work-queue";
import { ConfigurationController } from "./configuration/configuration.controller.ts";
import { ConfigurationStore } from "./configuration/configuration-store.ts";
import { CoordinationController } from "./coordination/coordination.controller.ts";
import { Coordinator } from "./coordination/coordinator.ts";
import { LeaderDatabase } from "./database/leader-database.ts";
import { HistoryController } from "./history/history.controller.ts";
import { Chronicler } from "./history/chronicler.ts";
import { HistoryLog } from "./history/history-log.ts";
import { openBuckets, type ClusterBuckets } from "./kv/cluster-buckets.ts";
import { GuardedValue } from "./kv/guarded-value.ts";
import type { MessageServerConfiguration } from "./message-server.config.ts";
import { EvidenceBoard } from "./registry/evidence-board.ts";
import { RegistryController } from "./registry/registry.controller.ts";
import { Registry, registryKey, registrySnapshot } from "./registry/registry.ts";
import { Suspicions } from "./registry/suspicions.ts";
import { Verdicts } from "./registry/verdicts.ts";
import { RoutingPublisher, STORED_ROUTING, storedRouting } from "./routing/routing-publisher.ts";
import { StatusController } from "./status/status.controller.ts";
import { CapacityWatch } from "./work/capacity-watch.ts";
import { WorkDesk } from "./work/work-desk.ts";

const BUCKETS = Symbol("BUCKETS");

/** Whoever asks the leader for something in PostgreSQL (a registration) waits 2 s for the answer, and asks again itself. */
const holdForDatabaseMs = 1_000;

/** The composition root: the one place that chooses implementations. */
@Module({})
export class MessageServerModule {
  static for({
    configuration,
    identity,
    log,
    nats,
    shutdown,
  }: ServiceContext<MessageServerConfiguration>): DynamicModule {
    // Three copies survive the loss of one node; fewer nodes cannot hold three.
    const replicas = configuration.UNDERSTUDY_NATS_SERVERS.length >= 3 ? 3 : 1;
    const guarded = <Value extends { readonly term: number }>(
      bucket: ClusterBuckets[keyof ClusterBuckets],
      key: string,
      schema: ConstructorParameters<typeof GuardedValue<Value>>[2],
    ) => new GuardedValue<Value>(bucket, key, schema, messageServerRole);
    return {
      module: MessageServerModule,
      imports: [DiscoveryModule, HeartbeatModule.forService({})],
      controllers: [
        CoordinationController,
        RegistryController,
        ConfigurationController,
        HistoryController,
        StatusController,
      ],
      providers: [
        { provide: BUCKETS, useFactory: () => openBuckets(nats, replicas, log, shutdown.signal) },
        {
          provide: Registry,
          useFactory: (buckets: ClusterBuckets) => new Registry(guarded(buckets.state, registryKey, registrySnapshot)),
          inject: [BUCKETS],
        },
        {
          provide: STORED_ROUTING,
          useFactory: (buckets: ClusterBuckets) => guarded(buckets.state, routingKey, storedRouting),
          inject: [BUCKETS],
        },
        {
          provide: ConfigurationStore,
          useFactory: (buckets: ClusterBuckets) =>
            new ConfigurationStore(
              guarded(buckets.configuration, settingsKey, versionedSettings),
              guarded(buckets.configuration, rolesKey, clusterRoles),
            ),
          inject: [BUCKETS],
        },
        {
          provide: HistoryLog,
          useFactory: async () => {
            const history = new HistoryLog(nats, replicas, log);
            await history.open(shutdown.signal);
            return history;
          },
        },
        {
          provide: LeaderDatabase,
          useFactory: () => {
            const given = databaseSettings(configuration);
            const wire = new PoolWire(nats, identity, databaseAddress(given.url).database);
            wire.start();
            const database = { ...given, connections: Math.min(4, given.connections), wire };
            const options = { assertsStanding: false, holdMaxMs: holdForDatabaseMs };
            const pool = createPool(database, identity, options, log);
            shutdown.on("close-pools", "database", async () => {
              wire.stop();
              await pool.end();
            });
            return new LeaderDatabase(pool, (install) => withOwner(database, identity, options, log, install), log);
          },
        },
        {
          provide: Elector,
          useFactory: async (database: LeaderDatabase) =>
            new Elector({
              role: messageServerRole,
              identity,
              log,
              store: await NatsLeaseStore.open(
                nats.main,
                { role: messageServerRole, replicas, swapTimeoutMs: standardTiming.swapTimeoutMs },
                log,
                shutdown.signal,
              ),
              termFloor: () => database.termFloor,
              // Whoever cannot be probed would be deposed at once; whoever stops must not be elected.
              isEligible: () => !shutdown.signal.aborted && nats.lifelines.some(({ connected }) => connected),
            }),
          inject: [LeaderDatabase],
        },
        { provide: BeatBoard, useFactory: () => startedBoard(nats, log, shutdown) },
        {
          provide: SettingsWatch,
          useFactory: () => {
            const settings = new SettingsWatch(nats, log);
            settings.start();
            shutdown.on("close-nats", "settings", () => settings.stop());
            return settings;
          },
        },
        { provide: EvidenceBoard, useFactory: () => new EvidenceBoard(nats, log) },
        {
          provide: WorkQueue,
          useFactory: ({ pool }: LeaderDatabase) =>
            new WorkQueue({ pool, schema: workQueueSchema, wakeUp: new NatsWakeUp(nats) }),
          inject: [LeaderDatabase],
        },
        Suspicions,
        RoutingPublisher,
        WorkDesk,
        CapacityWatch,
        Verdicts,
        Chronicler,
        LeadershipHooks,
        Coordinator,
      ],
    };
  }
}

function startedBoard(
  nats: NatsConnections,
  log: ConstructorParameters<typeof BeatBoard>[1],
  shutdown: Shutdown,
): BeatBoard {
  const board = new BeatBoard(nats, log);
  board.start();
  shutdown.on("close-nats", "beats", () => board.stop());
  return board;
}
