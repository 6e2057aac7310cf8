/** What operators ask: answered from what is watched, or passed to the keeper that holds the database's lease. */
import { Controller, Inject } from "@nestjs/common";
import { Payload } from "@nestjs/microservices";
import {
  changeDatabase,
  changeEntry,
  databaseHistory,
  databaseStatus,
  switchDatabase,
  switchPrimary,
  type DatabaseHistoryEntry,
  type DatabaseStatus,
} from "@understudy/contracts";
import {
  call,
  CallerError,
  HandlesRequest,
  NatsConnections,
  NoRespondersHint,
  OperationalError,
  parseRequest,
  pause,
} from "@understudy/runtime";
import type { z } from "zod";
import { DbPool } from "./db-pool.ts";
import { DatabaseHistory } from "./history/database-history.ts";
import { PoolBoard } from "./pools/pool-board.ts";

/** A keeper that takes over right now answers soon. */
const patienceMs = 3_000;
const betweenMs = 50;
/** A switchover waits for the standby to catch up. */
const switchMs = 20_000;

@Controller()
export class DbPoolController {
  constructor(
    @Inject(DbPool) private readonly dbPool: DbPool,
    @Inject(PoolBoard) private readonly pools: PoolBoard,
    @Inject(DatabaseHistory) private readonly databaseHistory: DatabaseHistory,
    @Inject(NatsConnections) private readonly nats: NatsConnections,
  ) {}

  @HandlesRequest(databaseStatus)
  status(@Payload() payload: unknown): DatabaseStatus {
    parseRequest(databaseStatus, payload);
    return {
      databases: this.dbPool.databases.map(({ topology }) => topology),
      pools: this.pools.figures,
      inDoubt: this.pools.inDoubt,
    };
  }

  @HandlesRequest(databaseHistory)
  async history(@Payload() payload: unknown): Promise<{ entries: DatabaseHistoryEntry[] }> {
    const { limit } = parseRequest(databaseHistory, payload);
    return { entries: await this.databaseHistory.read(limit) };
  }

  @HandlesRequest(changeDatabase)
  change(@Payload() payload: unknown): Promise<z.infer<typeof changeDatabase.reply>> {
    const { database, change } = parseRequest(changeDatabase, payload);
    this.dbPool.database(database);
    return this.#askKeeper(database, () => call(this.nats.main, changeEntry, change, { id: database }));
  }

  @HandlesRequest(switchDatabase)
  switchOver(@Payload() payload: unknown): Promise<z.infer<typeof switchDatabase.reply>> {
    const { database, to } = parseRequest(switchDatabase, payload);
    const { members, primary } = this.dbPool.database(database).topology;
    if (to !== undefined && to === primary) throw new CallerError("refused", `${to} is the primary already.`);
    if (to !== undefined && !members.some(({ id }) => id === to)) {
      const known = members.map(({ id }) => id).join(", ");
      throw new CallerError("unknown-instance", `${database} has no instance ${to}. Known: ${known}.`);
    }
    return this.#askKeeper(database, () =>
      call(this.nats.main, switchPrimary, to === undefined ? {} : { to }, { id: database, timeoutMs: switchMs }),
    );
  }

  /** Asks again while nobody holds the lease: nobody received the question. */
  async #askKeeper<Reply>(database: string, ask: () => Promise<Reply>): Promise<Reply> {
    const until = performance.now() + patienceMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof NoRespondersHint)) throw error;
        if (performance.now() < until) {
          await pause(betweenMs);
          continue;
        }
        throw new OperationalError(
          "unavailable",
          `No db-keeper holds the lease of ${database} now; nothing was changed. (understudy db list shows its members.)`,
          { cause: error },
        );
      }
    }
  }
}
