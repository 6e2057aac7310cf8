/** What the other keepers of the database said of themselves last. */
import { keeperState, type KeeperState } from "@understudy/contracts";
import { listen, type Log, type NatsConnections } from "@understudy/runtime";
import type { Subscription } from "@nats-io/transport-node";

interface Heard {
  readonly state: KeeperState;
  readonly heardAt: number;
  /** Wall clock at which it was first heard that its PostgreSQL is down, and not on purpose. */
  readonly downSince: number | undefined;
}

const livingMs = 1_500;

export class Peers {
  readonly #heard = new Map<string, Heard>();
  #subscription: Subscription | undefined;

  constructor(
    private readonly nats: NatsConnections,
    private readonly database: string,
    private readonly member: string,
    private readonly onHeard: () => void,
    private readonly log: Log,
  ) {}

  start(): void {
    this.#subscription = listen(
      this.nats.main,
      keeperState,
      (state) => {
        if (state.database !== this.database || state.member === this.member) return;
        const known = this.#heard.has(state.member);
        const before = this.#heard.get(state.member);
        const isDown = state.role === "none" && state.state !== "stopped";
        const downSince = isDown ? (before?.downSince ?? (before === undefined ? undefined : state.at)) : undefined;
        this.#heard.set(state.member, { state, heardAt: performance.now(), downSince });
        if (!known) this.onHeard();
      },
      { id: "*", onMalformed: (error) => this.log.warn({ err: error }, "a malformed keeper state") },
    );
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  stateOf(member: string): KeeperState | undefined {
    return this.#heard.get(member)?.state;
  }

  /** The id of the keeper beside `member`, for a hand-over to it. */
  keeperOf(member: string): string | undefined {
    return this.#heard.get(member)?.state.keeper.id;
  }

  downSince(member: string): number | undefined {
    return this.#heard.get(member)?.downSince;
  }

  isLiving(member: string): boolean {
    const heard = this.#heard.get(member);
    return heard !== undefined && performance.now() - heard.heardAt <= livingMs;
  }

  /** By member; 0: no data. */
  get timelines(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#heard].map(([member, { state }]) => [member, state.timeline]));
  }
}
