/**
 * `pg.Pool` that survives its database.
 *
 * It is a `pg.Pool`: queueing, counts, events, time-outs of idle connections, `maxUses` and the rest are pg-pool's own
 * code. What it pools are `FailoverClient`s, whose connections can be replaced below them; so the number of
 * connections stays within `max` through a failover, and callers keep their place in the queue.
 *
 * What is its own here:
 * - P1: idle clients are removed when the primary is lost.
 * - P2: callers are held while there is no primary: at most `holdMaxCallers`, each at most `holdMaxMs`.
 * - `connectionTimeoutMillis` bounds the making of one connection and the wait for a free client of a healthy pool; it
 *   does not end the holding of a failover.
 * - A client that is released inside a transaction is closed, not handed to the next caller.
 */
import pg, { type PoolClient } from "pg";
import { FailoverClient } from "../client/failover-client.ts";
import type { DoubtfulCommit } from "../continuity/outcome-resolver.ts";
import type { PrimaryHint } from "../primary/primary-finder.ts";
import { DatabaseUnavailableError } from "../errors/pool-errors.ts";
import { MarkerPruning } from "./marker-pruning.ts";
import { PoolCore } from "./pool-core.ts";
import type { PoolFigures } from "./pool-figures.ts";
import type { FailoverPoolOptions } from "./pool-options.ts";
import { lookEveryMs, lookForSilence } from "./silence-watch.ts";
import { runTransaction, type TransactionOptions } from "./run-transaction.ts";

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (release?: Error | boolean) => void,
) => void;

interface PendingItem {
  callback: ConnectCallback;
  timedOut?: boolean;
  heldSinceMs?: number;
}

/** What this class uses of pg-pool's own. Source: pg-pool 3.14 index.js. */
interface PgPoolInternals {
  Client: unknown;
  _clients: FailoverClient[];
  _idle: { readonly client: FailoverClient }[];
  _pendingQueue: PendingItem[];
  _isFull(): boolean;
  _remove(client: FailoverClient, callback?: () => void): void;
  _pulseQueue(): void;
  _acquireClient(client: FailoverClient, item: PendingItem, idleListener: unknown, isNew: boolean): void;
  _release(client: FailoverClient, idleListener: unknown, error: unknown): void;
}
const pgPool = pg.Pool.prototype as unknown as PgPoolInternals;

const noop = (): void => undefined;

export class FailoverPool extends pg.Pool {
  readonly #core: PoolCore;
  readonly #waitMaxMs: number;
  readonly #pruning: MarkerPruning;
  #watch: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: FailoverPoolOptions = {}) {
    // Hooks and time-outs are the pool's own: pg-pool would apply them to the first connection of a client only.
    const { verify: _verify, onConnect: _onConnect, connectionTimeoutMillis, ...rest } = options;
    super({ ...rest, connectionTimeoutMillis: 0 });
    this.#waitMaxMs = connectionTimeoutMillis ?? 0;
    // A pool that survives must not end its process because an idle connection broke.
    this.on("error", noop);
    const core = new PoolCore(options, this, () => this.#removeIdle());
    this.#core = core;
    this.#own.Client = class extends FailoverClient {
      constructor() {
        super(core, options.types);
      }
    };
    this.#pruning = new MarkerPruning(
      core,
      () => this.#oldestInWork(),
      (text, values) => this.query(text, [...values]),
    );
    this.#unsubscribe = options.news?.subscribe((hint) => this.hint(hint));
  }

  get #own(): PgPoolInternals {
    return this as unknown as PgPoolInternals;
  }

  get figures(): PoolFigures {
    const { counters, doubts, finder } = this.#core;
    const { primary } = finder;
    return {
      ...(primary !== undefined && { primary: primary.host.id }),
      open: this.totalCount,
      idle: this.idleCount,
      held: this.#held,
      ...counters,
      unresolved: doubts.size,
      withoutPrimaryMs: Math.round(finder.withoutPrimaryMs),
    };
  }

  /** Commits whose outcome is being found out. */
  get doubts(): readonly Readonly<DoubtfulCommit>[] {
    return [...this.#core.doubts];
  }

  /** Somebody says where the primary is now: the pool looks for itself at once. */
  hint(hint: PrimaryHint): void {
    this.#core.finder.hint(hint);
  }

  /**
   * Runs `work` in a transaction and commits it; its error rolls back. Statements must go through the client it is
   * given, and `work` must have no other effects if `repeats` are asked for.
   */
  transaction<Result>(
    work: (client: PoolClient) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    return runTransaction(() => this.connect(), work, options);
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<PoolClient> | void {
    this.#startWatch();
    const { finder, holdMaxCallers } = this.#core;
    if (finder.isSeeking && this.#held >= holdMaxCallers) {
      const error = new DatabaseUnavailableError(`${holdMaxCallers} callers are held already.`, finder.reasons);
      if (callback === undefined) return Promise.reject(error);
      process.nextTick(callback, error, undefined, noop);
      return undefined;
    }
    const mayWait = this.#own._isFull() || this.#own._idle.length > 0;
    if (this.#waitMaxMs === 0 || !mayWait || this.ending)
      return callback === undefined ? super.connect() : super.connect(callback);
    if (callback !== undefined) return this.#connectWithin(this.#waitMaxMs, callback);
    return new Promise((resolve, reject) =>
      this.#connectWithin(this.#waitMaxMs, (error, client) =>
        error !== undefined && error !== null ? reject(error) : resolve(client as PoolClient),
      ),
    );
  }

  override end(): Promise<void>;
  override end(callback: (error?: Error) => void): void;
  override end(callback?: (error?: Error) => void): Promise<void> | void {
    const stop = (): void => {
      clearInterval(this.#watch);
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
      this.#core.end();
    };
    if (callback === undefined) {
      const isFirst = !this.ending;
      return super.end().finally(() => {
        if (isFirst) stop();
      });
    }
    super.end(((error?: Error) => {
      if (error === undefined || error === null) stop();
      callback(error);
    }) as () => void);
    return undefined;
  }

  /** The wait for a client of a full pool, as pg-pool bounds it; a failover in between is not counted. */
  #connectWithin(waitMaxMs: number, callback: ConnectCallback): void {
    let timer: NodeJS.Timeout | undefined;
    const served: ConnectCallback = (error, client, done) => {
      clearTimeout(timer);
      callback(error, client, done);
    };
    const expire = (): void => {
      if (this.#core.finder.isSeeking) {
        timer = setTimeout(expire, waitMaxMs);
        return;
      }
      this.#giveUpWaiting(served, new Error("timeout exceeded when trying to connect"));
    };
    timer = setTimeout(expire, waitMaxMs);
    timer.unref();
    super.connect(served);
  }

  #giveUpWaiting(callback: ConnectCallback, error: Error): void {
    const index = this.#own._pendingQueue.findIndex((item) => item.callback === callback);
    const [item] = index < 0 ? [] : this.#own._pendingQueue.splice(index, 1);
    if (item === undefined) return;
    item.timedOut = true;
    item.callback(error, undefined, noop);
  }

  get #held(): number {
    const { finder } = this.#core;
    return finder.isSeeking ? finder.waiting + this.waitingCount : 0;
  }

  /** Called by pg-pool. The hooks and the event `connect` belong to each connection, not to the client (`PoolCore`). */
  _acquireClient(client: FailoverClient, item: PendingItem, idleListener: unknown, _isNew: boolean): void {
    client.isCheckedOut = true;
    pgPool._acquireClient.call(this.#own, client, item, idleListener, false);
  }

  /** Called by pg-pool. */
  _release(client: FailoverClient, idleListener: unknown, error: unknown): void {
    client.isCheckedOut = false;
    // A connection that is lost, or still inside a transaction, is for nobody else.
    const isReusable = client.released();
    if (!isReusable) client._queryable = false;
    pgPool._release.call(this.#own, client, idleListener, error);
  }

  /** P1. */
  #removeIdle(): void {
    for (const { client } of this.#own._idle.slice()) this.#own._remove(client, () => this.#own._pulseQueue());
  }

  #startWatch(): void {
    if (this.#watch !== undefined || this.ending) return;
    this.#watch = setInterval(() => this.#look(), lookEveryMs);
    this.#watch.unref();
  }

  #look(): void {
    const { finder, connections } = this.#core;
    if (finder.isSeeking) this.#endHolding();
    else if (lookForSilence(connections)) void finder.doubt();
    void this.#pruning.prune();
  }

  /** P2: callers in the queue have a time of their own; those who have a client wait in the finder, by theirs. */
  #endHolding(): void {
    const now = performance.now();
    for (const item of this.#own._pendingQueue.slice()) {
      item.heldSinceMs ??= now;
      if (now - item.heldSinceMs >= this.#core.holdMaxMs)
        this.#giveUpWaiting(item.callback, this.#core.finder.unavailable());
    }
  }

  #oldestInWork(): number {
    let oldest = Number.MAX_SAFE_INTEGER;
    for (const { operation } of this.#own._clients) {
      if (operation !== undefined) oldest = Math.min(oldest, this.#core.keys.sequenceOf(operation));
    }
    return oldest;
  }
}
