/**
 * `external`: somebody else's high availability (Patroni, CloudNativePG, a managed service) starts and promotes. Here
 * the instance is only looked at and told about: nothing is started, promoted, fenced or written.
 *
 * The term of what it tells is the timeline: it rises with each promotion, whoever makes it.
 */
import { type KeeperState } from "@understudy/contracts";
import { formatLogPosition, type PostgresAddress } from "@understudy/engines";
import type { Identity, Log } from "@understudy/runtime";
import type { Observation } from "../postgres/observation.ts";
import { PostgresWatcher } from "../postgres/watcher.ts";
import type { Login } from "../postgres/sessions.ts";

export interface ExternalOptions {
  readonly identity: Identity;
  readonly database: string;
  readonly member: string;
  readonly address: PostgresAddress;
  readonly login: Login;
  readonly onChange: () => void;
  /** It takes writes now, and did not when it was looked at before. */
  readonly onPrimary: (timeline: number) => void;
}

// Without an answer for so long it is told as gone.
const goneMs = 1_000;

export class ExternalObserver {
  readonly #watcher: PostgresWatcher;
  #primaryTimeline = 0;

  constructor(
    private readonly options: ExternalOptions,
    log: Log,
  ) {
    this.#watcher = new PostgresWatcher(options.address, options.login, (seen) => this.#looked(seen), log);
  }

  start(): void {
    this.#watcher.start();
  }

  stop(): void {
    this.#watcher.stop();
  }

  #looked(seen: Observation): void {
    const timeline = seen.role === "primary" ? seen.timeline : 0;
    if (timeline > 0 && timeline !== this.#primaryTimeline) this.options.onPrimary(timeline);
    this.#primaryTimeline = timeline;
    this.options.onChange();
  }

  get state(): KeeperState {
    const { identity, database, member } = this.options;
    const seen = this.#watcher.unansweredMs < goneMs ? this.#watcher.latest : undefined;
    const common = { keeper: identity.ref, machine: identity.machine, database, member, at: Date.now() };
    if (seen === undefined)
      return { ...common, role: "none", state: "stopped", term: 0, timeline: 0, note: "it does not answer" };
    return {
      ...common,
      role: seen.role,
      state: seen.role === "primary" ? "running" : seen.isReceiving ? "streaming" : "catching-up",
      term: seen.timeline,
      timeline: seen.timeline,
      position: formatLogPosition(seen.position),
      ...(seen.replayed !== undefined && { replayed: formatLogPosition(seen.replayed) }),
    };
  }
}
