/** What a keeper says of its PostgreSQL: to the cluster several times a second and at changes, to its supervisor at changes. */
import {
  keeperState,
  primaryChanged,
  type DatabaseEntry,
  type KeeperState,
  type PrimaryChanged,
} from "@understudy/contracts";
import { publish, tellSupervisor, type NatsConnections } from "@understudy/runtime";

const everyMs = 250;
// A burst of changes is told as one, at once.
const changeGapMs = 20;

type Told = Pick<KeeperState, "role" | "state" | "term" | "timeline" | "note">;
export type EngineState = "starting" | "running" | "waiting" | "stopped";

export class Announcer {
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #told = "";
  #toldEngine = "";

  constructor(
    private readonly nats: NatsConnections,
    private readonly describe: () => KeeperState,
    /** Absent where the engine is somebody else's. */
    private readonly engine?: () => {
      readonly id: string;
      readonly pid: number | undefined;
      readonly state: EngineState;
    },
  ) {}

  start(): void {
    this.#timer = setInterval(() => this.#say(), everyMs);
    this.#say();
  }

  stop(): void {
    this.now();
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
  }

  /** Something changed: told at once where somebody waits for it, soon otherwise. */
  changed(): void {
    const engine = this.engine?.();
    if (engine !== undefined && this.#toldEngine !== `${engine.pid} ${engine.state}`) {
      const { id, pid, state } = engine;
      this.#toldEngine = `${pid} ${state}`;
      tellSupervisor({ type: "engine", id, kind: "postgres", pid: pid ?? null, state });
    }
    if (this.#soon !== undefined || this.#told === this.#essence(this.describe())) return;
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      this.#say();
    }, changeGapMs);
  }

  /** Told without waiting for more of a burst. */
  now(): void {
    this.changed();
    this.#say();
  }

  primary(entry: DatabaseEntry, term: number, timeline: number): void {
    publish(this.nats.main, primaryChanged, {
      database: entry.database,
      term,
      timeline,
      primary: entry.primary,
      at: Date.now(),
    } satisfies PrimaryChanged);
    this.#say();
  }

  #say(): void {
    const state = this.describe();
    this.#told = this.#essence(state);
    publish(this.nats.main, keeperState, state, state.keeper.id);
  }

  #essence({ role, state, term, timeline, note }: Told): string {
    return JSON.stringify([role, state, term, timeline, note]);
  }
}
