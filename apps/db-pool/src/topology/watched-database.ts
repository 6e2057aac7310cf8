/**
 * One database as this db-pool sees it: owns the watches of its lease, keepers and PostgreSQL instances, and tells the
 * topology that follows from them.
 *
 * - The topology is computed anew at each new fact, told at once when its essence changed and every second else.
 * - "Writes go here now" (`primaryChanged`) is repeated when the primary of the topology is another one; it never goes
 *   back to a lower (term, timeline).
 */
import type { Subscription } from "@nats-io/transport-node";
import { primaryChanged, topologyPublished, type DatabaseTopology, type PrimaryChanged } from "@understudy/contracts";
import { listen, publish, type Identity, type Log, type NatsConnections } from "@understudy/runtime";
import { InstanceWatch, type WatchedInstance } from "../watch/instance-watch.ts";
import { KeeperBoard } from "../watch/keeper-board.ts";
import { LeaseFollower } from "../watch/lease-follower.ts";
import { essenceOf, topologyOf } from "./topology-of.ts";
import type { TopologyStore } from "./topology-store.ts";

const repeatMs = 1_000;

/** True when `next` tells something that `told` did not. */
export const isNewerPrimary = (next: PrimaryChanged, told: PrimaryChanged | undefined): boolean => {
  if (told === undefined) return true;
  if (next.term !== told.term) return next.term > told.term;
  return next.timeline > told.timeline || (next.timeline === told.timeline && next.primary !== told.primary);
};

export class WatchedDatabase {
  readonly #lease: LeaseFollower;
  readonly #keepers: KeeperBoard;
  readonly #instances: readonly InstanceWatch[];
  #essence = "";
  #topology: DatabaseTopology;
  #told: PrimaryChanged | undefined;
  #withoutPrimarySince: number | undefined;
  #withoutPrimaryMs = 0;
  #subscription: Subscription | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly name: string,
    instances: readonly WatchedInstance[],
    private readonly nats: NatsConnections,
    private readonly store: TopologyStore,
    identity: Identity,
    private readonly log: Log,
  ) {
    const look = () => this.#look();
    this.#lease = new LeaseFollower(name, nats, look, log);
    this.#keepers = new KeeperBoard(name, nats, (member) => this.#hint(member));
    this.#instances = instances.map((instance) => new InstanceWatch(instance, identity, look, log));
    this.#topology = this.#compute();
  }

  start(): void {
    this.#withoutPrimarySince = performance.now();
    this.#subscription = listen(this.nats.main, primaryChanged, (event) => this.#heardOfPrimary(event), {
      onMalformed: () => undefined,
    });
    this.#lease.start();
    this.#keepers.start();
    for (const instance of this.#instances) instance.start();
    this.#timer = setInterval(() => this.#look(true), repeatMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#subscription?.unsubscribe();
    this.#lease.stop();
    this.#keepers.stop();
    for (const instance of this.#instances) instance.stop();
  }

  get topology(): DatabaseTopology {
    return this.#topology;
  }

  /** Milliseconds without a known primary since this process began. */
  get withoutPrimaryMs(): number {
    const since = this.#withoutPrimarySince;
    return this.#withoutPrimaryMs + (since === undefined ? 0 : performance.now() - since);
  }

  #compute(): DatabaseTopology {
    return topologyOf({
      database: this.name,
      lease: this.#lease.current,
      keepers: this.#keepers.states,
      instances: this.#instances.map(({ facts }) => facts),
      now: Date.now(),
    });
  }

  #look(repeats = false): void {
    const topology = this.#compute();
    this.#topology = topology;
    const essence = essenceOf(topology);
    const isChange = essence !== this.#essence;
    this.#essence = essence;
    this.#countTime(topology);
    if (!isChange && !repeats) return;
    publish(this.nats.main, topologyPublished, topology);
    if (!isChange) return;
    this.store.put(topology);
    this.#tellPrimary(topology);
  }

  #tellPrimary({ primary, term, timeline, at }: DatabaseTopology): void {
    if (primary === undefined || term === 0 || timeline === 0) return;
    const event = { database: this.name, term, timeline, primary, at };
    if (!isNewerPrimary(event, this.#told)) return;
    this.#told = event;
    this.log.info({ database: this.name, primary, term, timeline }, "the primary");
    publish(this.nats.main, primaryChanged, event);
  }

  /** A keeper says that its server takes writes: no reason to believe it, every reason to look. */
  #heardOfPrimary(event: PrimaryChanged): void {
    if (event.database === this.name && isNewerPrimary(event, this.#told)) this.#hint(event.primary);
  }

  #hint(member: string): void {
    for (const watch of this.#instances) if (watch.instance.id === member) watch.hint();
    this.#look();
  }

  #countTime({ primary }: DatabaseTopology): void {
    const now = performance.now();
    if (primary === undefined) this.#withoutPrimarySince ??= now;
    else if (this.#withoutPrimarySince !== undefined) {
      this.#withoutPrimaryMs += now - this.#withoutPrimarySince;
      this.#withoutPrimarySince = undefined;
    }
  }
}
