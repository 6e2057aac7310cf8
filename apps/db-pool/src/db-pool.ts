/**
 * The database service: owns the lives of all watched databases, of the pools' board and of the store.
 *
 * It decides nothing: who is primary stands in each database's entry, changed by its keepers alone. Both db-pools do
 * the same, so either may be lost; what they publish twice is the same, or the newer one stands.
 */
import { Inject, Injectable, type OnApplicationBootstrap } from "@nestjs/common";
import { CallerError, Shutdown } from "@understudy/runtime";
import { DbPoolMetrics } from "./metrics.ts";
import { PoolBoard } from "./pools/pool-board.ts";
import { TopologyStore } from "./topology/topology-store.ts";
import { WatchedDatabase } from "./topology/watched-database.ts";

/** Injection token of all databases that this db-pool watches. */
export const DATABASES = Symbol("DATABASES");

@Injectable()
export class DbPool implements OnApplicationBootstrap {
  constructor(
    @Inject(DATABASES) readonly databases: readonly WatchedDatabase[],
    @Inject(PoolBoard) private readonly pools: PoolBoard,
    @Inject(TopologyStore) private readonly store: TopologyStore,
    @Inject(DbPoolMetrics) private readonly metrics: DbPoolMetrics,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
  ) {}

  onApplicationBootstrap(): void {
    this.shutdown.on("finish", "db-pool", () => this.stop());
    this.start();
  }

  start(): void {
    this.metrics.register(this.databases, this.pools);
    this.pools.start();
    for (const database of this.databases) database.start();
  }

  stop(): void {
    for (const database of this.databases) database.stop();
    this.pools.stop();
    this.store.stop();
  }

  /** @throws CallerError `unknown-instance` naming the known ones. */
  database(name: string): WatchedDatabase {
    const found = this.databases.find((database) => database.name === name);
    if (found !== undefined) return found;
    const known = this.databases.map((database) => database.name).join(", ");
    throw new CallerError("unknown-instance", `There is no database ${name}. Known: ${known}.`);
  }
}
