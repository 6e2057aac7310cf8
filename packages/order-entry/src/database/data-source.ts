import type { ApplicationContext } from "@understudy/runtime";
import { FailoverPool, type FailoverPoolOptions } from "@understudy/failover-pool";
import { failoverPg } from "@understudy/failover-pool/typeorm";
import { poolOptions, watchPool } from "@understudy/runtime";
import { DataSource } from "typeorm";
import { Customer } from "../entities/customer.ts";
import { District } from "../entities/district.ts";
import { FirstData } from "../entities/first-data.ts";
import { Idempotency } from "../entities/idempotency.ts";
import { Item } from "../entities/item.ts";
import { NewOrder } from "../entities/new-order.ts";
import { OrderPosition } from "../entities/order-position.ts";
import { Order } from "../entities/order.ts";
import { Payment } from "../entities/payment.ts";
import { schemaName } from "../entities/schema-name.ts";
import { Stock } from "../entities/stock.ts";
import { Warehouse } from "../entities/warehouse.ts";
import { BackgroundWork1795478400000 } from "../migrations/background-work-1795478400000.ts";
import { Tables1795392000000 } from "../migrations/tables-1795392000000.ts";

export type DatabaseContext = Pick<ApplicationContext, "database" | "identity" | "log">;

/** A server that waits longer for a row than its client waits for the answer only keeps others waiting. */
const lockTimeoutMs = 2_000;
/** An order's statements follow each other within milliseconds. A server that was frozen between two gives its locks up. */
const idleInTransactionTimeoutMs = 5_000;
/** A statement that takes longer than this is no order's. */
const queryTimeoutMs = 10_000;

export interface PooledDataSource {
  readonly source: DataSource;
  /** Ends its pool too, also when it was never initialised. */
  readonly close: () => Promise<void>;
}

export interface DataSourcePurpose {
  /** serving: bounded waits for requests. preparing: migrations and first data, which may take as long as they need. */
  readonly purpose: "serving" | "preparing";
}

/**
 * TypeORM on the runtime's failover-pool: whatever stands in `extra` goes to the pool and overrules TypeORM's own
 * options, so addresses, password, limits and the `verify` hook, which introduces and checks the incarnation, all arrive
 * there.
 */
export function createDataSource(context: DatabaseContext, { purpose }: DataSourcePurpose): PooledDataSource {
  const pools: FailoverPool[] = [];
  class WatchedPool extends FailoverPool {
    constructor(options: FailoverPoolOptions) {
      super(options);
      pools.push(this);
      watchPool(this, context.database, context.log);
    }
  }
  const source = new DataSource({
    type: "postgres",
    driver: Object.create(failoverPg, { Pool: { value: WatchedPool, enumerable: true } }) as typeof failoverPg,
    schema: schemaName,
    extra: {
      ...poolOptions(context.database, context.identity, { assertsStanding: true }),
      ...(purpose === "serving"
        ? {
            lock_timeout: lockTimeoutMs,
            idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
            query_timeout: queryTimeoutMs,
          }
        : { max: 1, connectionTimeoutMillis: 0 }),
    },
    // Told by whoever watches the pool (`watchPool`).
    poolErrorHandler: () => undefined,
    entities: [
      Customer,
      District,
      FirstData,
      Idempotency,
      Item,
      NewOrder,
      Order,
      OrderPosition,
      Payment,
      Stock,
      Warehouse,
    ],
    migrations: [Tables1795392000000, BackgroundWork1795478400000],
    migrationsTableName: "migrations",
    installExtensions: false,
    synchronize: false,
    logging: false,
  });
  return {
    source,
    close: async () => {
      if (source.isInitialized) await source.destroy();
      // A pool whose first connection failed is forgotten by TypeORM, and would look for its primary for ever.
      await Promise.all(pools.filter((pool) => !pool.ending).map((pool) => pool.end()));
    },
  };
}
