/**
 * The lease in NATS KV: one bucket, hence one stream and one Raft group, per role (L1), so that its Raft leader can be
 * kept off the role leader's machine (L6) without moving anything else.
 */
import { jetstream, jetstreamManager, type JetStreamClient } from "@nats-io/jetstream";
import { Kvm, type KV } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { isRevisionConflict, Backoff, pause, type Log } from "@understudy/runtime";
import { lease as leaseSchema, type Lease, type SeenLease } from "../lease.ts";
import type { LeaseStore, SwapResult } from "../lease-store.ts";
import { LeaseWatch } from "./lease-watch.ts";

const key = "lease";

export const leaseBucket = (role: string): string => `understudy_lease_${role}`;
export const leaseStream = (role: string): string => `KV_${leaseBucket(role)}`;

export interface NatsLeaseStoreOptions {
  readonly role: string;
  /** 3 in a cluster of three or more nodes, else 1. */
  readonly replicas: number;
  readonly swapTimeoutMs: number;
}

export class NatsLeaseStore implements LeaseStore {
  readonly #watches = new Set<LeaseWatch>();

  private constructor(
    private readonly kv: KV,
    private readonly js: JetStreamClient,
    private readonly options: NatsLeaseStoreOptions,
    private readonly log: Log,
  ) {}

  /** Opens the bucket, makes it when absent; waits while JetStream has no leader. Rejects only when `signal` aborts. */
  static async open(
    connection: NatsConnection,
    options: NatsLeaseStoreOptions,
    log: Log,
    signal: AbortSignal,
  ): Promise<NatsLeaseStore> {
    const backoff = new Backoff(100, 2_000);
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        const kv = await new Kvm(connection).create(leaseBucket(options.role), {
          replicas: options.replicas,
          history: 1,
          storage: "file",
        });
        return new NatsLeaseStore(kv, jetstream(connection), options, log);
      } catch (error) {
        // Some tries are normal at a start; what does not pass must be seen, but not in a loop.
        const isWorthSaying = attempt === 10 || attempt % 100 === 0;
        log[isWorthSaying ? "warn" : "debug"]({ attempt, reason: (error as Error).message }, "waiting for JetStream");
        await pause(backoff.nextMs(), signal);
      }
    }
  }

  async read(): Promise<SeenLease | undefined> {
    const entry = await this.kv.get(key);
    if (entry === null || entry.operation !== "PUT") return undefined;
    for (const watch of this.#watches) watch.expect(entry.revision);
    return { lease: leaseSchema.parse(entry.json()), revision: entry.revision };
  }

  async compareAndSwap(expectedRevision: number, next: Lease): Promise<SwapResult> {
    const result = await this.#swap(expectedRevision, next);
    if (result.kind !== "refused" || expectedRevision !== 0) return result;
    // Nobody of us deletes the key; where it was done by hand, its marker has a revision and the role must go on.
    const marker = await this.kv.get(key).catch(() => null);
    return marker === null || marker.operation === "PUT" ? result : this.#swap(marker.revision, next);
  }

  async #swap(expectedRevision: number, next: Lease): Promise<SwapResult> {
    try {
      const ack = await this.js.publish(`$KV.${leaseBucket(this.options.role)}.${key}`, JSON.stringify(next), {
        expect: { lastSubjectSequence: expectedRevision },
        timeout: this.options.swapTimeoutMs,
      });
      return { kind: "swapped", revision: ack.seq };
    } catch (error) {
      if (isRevisionConflict(error)) return { kind: "refused" };
      return { kind: "unknown", reason: (error as Error).message };
    }
  }

  watch(onChange: (seen: SeenLease) => void): () => void {
    const watch = new LeaseWatch(this.kv, key, onChange, this.log);
    this.#watches.add(watch);
    watch.start();
    return () => {
      this.#watches.delete(watch);
      watch.stop();
    };
  }
}

/**
 * L6: moves a stream's Raft leader away from `ownNode`, so that losing the role leader's whole machine leaves the stream
 * writable. Measured: a planned move takes some 40 ms, a lost stream leader 5-7 s.
 *
 * `avoided`: nodes whose loss needs a swap at once too, such as that of a database's standby; off them where there is
 * another one.
 *
 * @returns the node that leads the stream now, or undefined when no other replica is current.
 */
export async function keepStreamElsewhere(
  connection: NatsConnection,
  stream: string,
  ownNode: string,
  avoided: readonly string[] = [],
): Promise<string | undefined> {
  const manager = await jetstreamManager(connection);
  const { cluster } = await manager.streams.info(stream);
  if (cluster?.leader === undefined || cluster.leader === "") return undefined;
  const current = (cluster.replicas ?? []).filter((replica) => replica.current && !replica.offline);
  const target = betterLeader(
    cluster.leader,
    current.map(({ name }) => name),
    ownNode,
    avoided,
  );
  if (target === cluster.leader || target === undefined) return target;
  const answer = await connection.request(
    `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`,
    JSON.stringify({ placement: { preferred: target } }),
    { timeout: 2_000 },
  );
  const { error } = answer.json<{ error?: { description: string } }>();
  if (error !== undefined) throw new Error(`NATS refused to move the stream ${stream}: ${error.description}`);
  return target;
}

/** Where the Raft leader should be: stays, moves to one of `others`, or undefined when it is wrong and cannot move. */
export function betterLeader(
  leader: string,
  others: readonly string[],
  ownNode: string,
  avoided: readonly string[],
): string | undefined {
  const isBad = (node: string) => node === ownNode || avoided.includes(node);
  if (!isBad(leader)) return leader;
  const good = others.find((node) => !isBad(node));
  if (good !== undefined) return good;
  return leader === ownNode ? others.find((node) => node !== ownNode) : leader;
}

/** `keepStreamElsewhere` for the lease of a role. */
export const keepLeaseElsewhere = (
  connection: NatsConnection,
  role: string,
  ownNode: string,
  avoided: readonly string[] = [],
): Promise<string | undefined> => keepStreamElsewhere(connection, leaseStream(role), ownNode, avoided);
