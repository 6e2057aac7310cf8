/**
 * What the keepers of one database say of their instances. A word is good for `freshMs`: keepers repeat it several
 * times a second, so a silent one is gone, cut off or frozen. A keeper whose end its supervisor saw says nothing more.
 */
import { exitEvidence, keeperState, type KeeperState } from "@understudy/contracts";
import { listen, type NatsConnections } from "@understudy/runtime";
import type { Subscription } from "@nats-io/transport-node";

export const freshMs = 3_000;

interface Heard {
  readonly state: KeeperState;
  readonly heardAt: number;
}

/** True when something changed that a person or a pool would act on: then the instance itself is asked at once. */
export const isNews = (before: KeeperState | undefined, next: KeeperState): boolean =>
  before === undefined ||
  before.keeper.incarnation !== next.keeper.incarnation ||
  before.state !== next.state ||
  before.role !== next.role ||
  before.timeline !== next.timeline ||
  before.term !== next.term;

export class KeeperBoard {
  readonly #heard = new Map<string, Heard>();
  #subscriptions: readonly Subscription[] = [];

  constructor(
    private readonly database: string,
    private readonly nats: NatsConnections,
    /** `member` is worth a look now. */
    private readonly onNews: (member: string) => void,
  ) {}

  start(): void {
    const ignoreMalformed = { onMalformed: () => undefined };
    this.#subscriptions = [
      listen(this.nats.main, keeperState, (state) => this.#hear(state), { id: "*", ...ignoreMalformed }),
      listen(this.nats.main, exitEvidence, ({ instance }) => this.#ended(instance.incarnation), ignoreMalformed),
    ];
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Fresh ones only. */
  get states(): KeeperState[] {
    const oldest = performance.now() - freshMs;
    return [...this.#heard.values()].filter(({ heardAt }) => heardAt >= oldest).map(({ state }) => state);
  }

  #hear(state: KeeperState): void {
    if (state.database !== this.database) return;
    const before = this.#heard.get(state.member)?.state;
    this.#heard.set(state.member, { state, heardAt: performance.now() });
    if (isNews(before, state)) this.onNews(state.member);
  }

  #ended(incarnation: string): void {
    for (const [member, { state }] of this.#heard) {
      if (state.keeper.incarnation !== incarnation) continue;
      this.#heard.delete(member);
      this.onNews(member);
    }
  }
}
