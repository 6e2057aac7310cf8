/**
 * Between the failover-pools of this process and NATS: news of a new primary in; figures, and commits in doubt with
 * how they ended, out. Pools need none of it: without NATS they find their primary themselves, only later.
 *
 * It owns one subscription to each source of news and the timer that publishes the figures, which are those of all
 * pools of the database together: a service has one for its work and now and then one for a preparation.
 */
import type { EventEmitter } from "node:events";
import { commitInDoubt, poolFigures, primaryChanged, topologyPublished, type PoolFigures } from "@understudy/contracts";
import type { DoubtfulCommit, FailoverPool, PrimaryHint, PrimaryNews } from "@understudy/failover-pool";
import type { Subscription } from "@nats-io/transport-node";
import { Counter, Gauge } from "prom-client";
import type { Identity } from "../identity.ts";
import type { NatsConnections } from "../nats/connections.ts";
import { listen, publish } from "../nats/messages.ts";

const publishEveryMs = 2_000;

type Sums = Omit<PoolFigures, "instance" | "database" | "primary">;
const nothing: Sums = {
  open: 0,
  idle: 0,
  held: 0,
  retries: 0,
  replays: 0,
  resolvedCommitted: 0,
  resolvedNotCommitted: 0,
  unresolved: 0,
  withoutPrimaryMs: 0,
};
const names = Object.keys(nothing) as (keyof Sums)[];
/** What a pool that has ended leaves to the sums; the rest of its figures end with it. */
const lasting = ["retries", "replays", "resolvedCommitted", "resolvedNotCommitted", "withoutPrimaryMs"] as const;

export class PoolWire {
  readonly #pools = new Set<FailoverPool>();
  readonly #listeners = new Set<(hint: PrimaryHint) => void>();
  #ended: Sums = nothing;
  #subscriptions: readonly Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly nats: NatsConnections,
    private readonly identity: Identity,
    /** As its keepers name it. */
    readonly database: string,
  ) {}

  start(): void {
    const ignoreMalformed = { onMalformed: () => undefined };
    const tell = ({ database, primary, timeline }: PrimaryHint & { readonly database: string }) => {
      if (database !== this.database || primary === undefined) return;
      for (const listener of this.#listeners) listener({ primary, timeline });
    };
    this.#subscriptions = [
      listen(this.nats.main, primaryChanged, tell, ignoreMalformed),
      listen(this.nats.main, topologyPublished, tell, ignoreMalformed),
    ];
    this.#timer = setInterval(() => this.#publish(), publishEveryMs);
    this.#timer.unref();
    this.#registerMetrics();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** For the options of a pool. */
  readonly news: PrimaryNews = {
    subscribe: (listener) => {
      this.#listeners.add(listener);
      return () => void this.#listeners.delete(listener);
    },
  };

  /** From now on its figures and doubts are told; until it ends. */
  attach(pool: FailoverPool): void {
    this.#pools.add(pool);
    const tell = (commit: Readonly<DoubtfulCommit>) => this.#tell(commit);
    const events: EventEmitter = pool;
    events.on("inDoubt", tell);
    events.on("resolved", tell);
  }

  /** What is published of all pools together. */
  get figures(): PoolFigures {
    let sums = this.#ended;
    let primary: string | undefined;
    for (const pool of this.#pools) {
      const { primary: own, ...figures } = pool.figures;
      primary ??= own;
      if (!pool.ended) sums = summed(sums, figures);
      else {
        this.#pools.delete(pool);
        const rest = { ...nothing, ...Object.fromEntries(lasting.map((name) => [name, figures[name]])) };
        this.#ended = summed(this.#ended, rest);
        sums = summed(sums, rest);
      }
    }
    return {
      instance: this.identity.ref,
      database: this.database,
      ...(primary !== undefined && { primary }),
      ...sums,
    };
  }

  #publish(): void {
    if (this.#pools.size > 0) publish(this.nats.main, poolFigures, this.figures, this.identity.id);
  }

  #tell({ operation, attempt, since, outcome, endedAt }: Readonly<DoubtfulCommit>): void {
    publish(this.nats.main, commitInDoubt, {
      instance: this.identity.ref,
      database: this.database,
      operation,
      attempt,
      since,
      outcome,
      ...(endedAt !== undefined && { endedAt }),
    });
  }

  #registerMetrics(): void {
    const read = () => this.figures;
    for (const name of names) {
      const isLasting = (lasting as readonly string[]).includes(name);
      const options = {
        name: `understudy_own_pool_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
        help: `"${name}" of this process's failover-pools.`,
      };
      if (isLasting) {
        void new Counter({
          ...options,
          name: `${options.name}_total`,
          collect() {
            this.reset();
            this.inc(read()[name]);
          },
        });
      } else {
        void new Gauge({
          ...options,
          collect() {
            this.set(read()[name]);
          },
        });
      }
    }
  }
}

const summed = (one: Sums, other: Sums): Sums =>
  Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as unknown as Sums;
