/**
 * What is asked of this keeper: `confirmStopped` by other keepers, always; and by db-pools, of the one that holds the
 * database, `switchPrimary` and `changeEntry`. The latter's subjects name the database, not an instance, so they are
 * subscribed only while the lease is held: nobody holds it means 503.
 */
import {
  changeEntry,
  confirmStopped,
  subjectOf,
  switchPrimary,
  type DatabaseEntry,
  type LeaderTerm,
  type RequestContract,
} from "@understudy/contracts";
import { CallerError, parseRequest, toWire, type Log, type NatsConnections } from "@understudy/runtime";
import type { Subscription } from "@nats-io/transport-node";
import type { Keeper } from "../keeper/keeper.ts";
import type { Chronicle } from "../telling/chronicle.ts";

export class KeeperRequests {
  readonly #ofHolder: Subscription[] = [];
  #ofKeeper: Subscription | undefined;

  constructor(
    private readonly nats: NatsConnections,
    private readonly names: { readonly database: string; readonly keeperId: string },
    private readonly keeper: Keeper,
    private readonly chronicle: Chronicle,
    private readonly log: Log,
  ) {}

  start(): void {
    this.keeper.elector.on("lead", () => this.#hold());
    this.keeper.elector.on("lose", () => this.#letGo());
    this.#ofKeeper = this.#answer(confirmStopped, this.names.keeperId, (data) => this.#confirm(data));
  }

  stop(): void {
    this.#letGo();
    this.#ofKeeper?.unsubscribe();
  }

  #hold(): void {
    if (this.#ofHolder.length > 0) return;
    const { database } = this.names;
    this.#ofHolder.push(
      this.#answer(switchPrimary, database, (data) => this.keeper.switchOver(parseRequest(switchPrimary, data).to)),
      this.#answer(changeEntry, database, (data) => this.#change(data)),
    );
  }

  #letGo(): void {
    for (const subscription of this.#ofHolder.splice(0)) subscription.unsubscribe();
  }

  async #confirm(data: unknown): Promise<unknown> {
    const { database, revision } = parseRequest(confirmStopped, data);
    if (database !== this.names.database)
      throw new CallerError("refused", `This keeper is ${this.names.database}'s, not ${database}'s.`);
    return this.keeper.confirmStopped(revision);
  }

  #answer(contract: RequestContract, id: string, handle: (data: unknown) => Promise<unknown>): Subscription {
    return this.nats.main.subscribe(subjectOf(contract, id), {
      callback: (error, message) => {
        if (error) return;
        void (async () => {
          let id = "";
          try {
            // The envelope of Nest's transport: see `contracts/envelope.ts`.
            const envelope = message.json<{ id?: string; data?: unknown }>();
            id = envelope.id ?? "";
            const response = await handle(envelope.data);
            message.respond(JSON.stringify({ id, response, isDisposed: true }));
          } catch (cause) {
            const err = toWire(cause);
            if (err.code === "internal") this.log.error({ err: cause }, "a request failed");
            message.respond(JSON.stringify({ id, err, isDisposed: true }));
          }
        })();
      },
    });
  }

  /** Repeating a change that stands already answers the same and records nothing anew. */
  async #change(data: unknown): Promise<{ leader: LeaderTerm; entry: DatabaseEntry }> {
    const request = parseRequest(changeEntry, data);
    const leader = this.keeper.elector.assertLeading();
    const before = this.keeper.entry;
    if (before === undefined) throw new CallerError("unavailable", "There is no entry yet.");
    const entry = await this.keeper.change((current) => {
      switch (request.change) {
        case "pause":
          return { ...current, paused: current.paused ?? { since: Date.now(), reason: request.reason } };
        case "resume": {
          const { paused: _paused, ...rest } = current;
          return rest;
        }
        case "policy":
          return withPolicy(current, request.policy);
      }
    });
    if (before.paused === undefined && entry.paused !== undefined)
      this.chronicle.changed(
        entry,
        leader,
        "paused",
        `no failover of ${entry.database} by itself: ${entry.paused.reason}`,
      );
    if (before.paused !== undefined && entry.paused === undefined)
      this.chronicle.changed(entry, leader, "resumed", `${entry.database} fails over by itself again`);
    if (before.policy !== entry.policy)
      this.chronicle.changed(entry, leader, "policy-changed", `the policy of ${entry.database} is ${entry.policy} now`);
    return { leader, entry };
  }
}

/** D3: nobody in sync and `strict` is no degradation, since nothing commits then; under `available` it is. */
function withPolicy(entry: DatabaseEntry, policy: DatabaseEntry["policy"]): DatabaseEntry {
  const { degradedSince: _degradedSince, ...rest } = entry;
  if (policy === "strict") return { ...rest, policy };
  return entry.inSync.length <= 1
    ? { ...rest, policy, degradedSince: entry.degradedSince ?? Date.now() }
    : { ...rest, policy };
}
