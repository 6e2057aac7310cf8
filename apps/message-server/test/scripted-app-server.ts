/**
 * An app server's side of the contracts, for tests of the message server: registers, beats, answers probes and
 * commands, and remembers what it was told. No mock of anything below: real NATS, real envelopes.
 */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import {
  beat,
  declaredLost,
  exitEvidence,
  follow,
  leaderBeat,
  probe,
  protocolVersion,
  register,
  setIntake,
  subjectOf,
  type LeaderTerm,
  type RegisterReply,
} from "@understudy/contracts";
import { call, listen, publish } from "@understudy/runtime";
import { randomUUID } from "node:crypto";
import { uuidv7 } from "uuidv7";

export interface HeardCommand {
  readonly kind: "follow" | "intake" | "declared-lost";
  readonly leader: LeaderTerm;
  readonly at: number;
}

export class ScriptedAppServer {
  incarnation = uuidv7();
  readonly commands: HeardCommand[] = [];
  readonly refused: HeardCommand[] = [];
  highestTerm = 0;
  isReady = true;
  load = 0;
  #sequence = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #subscriptions: Subscription[] = [];

  constructor(
    readonly connection: NatsConnection,
    readonly id: string,
  ) {}

  get machine(): string {
    return `machine-${this.id.slice(-1)}`;
  }

  get identity() {
    return {
      id: this.id,
      incarnation: this.incarnation,
      kind: "app-server" as const,
      cluster: "understudy",
      site: "site-1",
      machine: this.machine,
    };
  }

  start(): void {
    this.#answer(subjectOf(probe, this.id), () => ({ incarnation: this.incarnation }));
    for (const [kind, contract] of [
      ["follow", follow],
      ["intake", setIntake],
      ["declared-lost", declaredLost],
    ] as const) {
      this.#answer(subjectOf(contract, this.id), (data) => {
        const { leader } = data as { leader: LeaderTerm };
        const heard = { kind, leader, at: Date.now() };
        if (leader.term < this.highestTerm) {
          this.refused.push(heard);
          return undefined;
        }
        this.highestTerm = leader.term;
        this.commands.push(heard);
        return { term: leader.term, acceptedAt: heard.at };
      });
    }
    this.#subscriptions.push(
      listen(this.connection, leaderBeat, ({ leader }) => {
        this.highestTerm = Math.max(this.highestTerm, leader.term);
      }),
    );
    this.beatNow();
    this.#timer = setInterval(() => this.beatNow(), 250);
  }

  /** Falls silent: no beats, no answers. The connection stays. */
  silence(): void {
    clearInterval(this.#timer);
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  /** Beats no more but answers. */
  muteBeats(): void {
    clearInterval(this.#timer);
  }

  stop(): void {
    this.silence();
  }

  /** What its supervisor would say when its process ends. */
  reportExit(signal: string | null = "SIGKILL", exitCode: number | null = null): void {
    publish(this.connection, exitEvidence, {
      instance: { id: this.id, incarnation: this.incarnation },
      machine: this.machine,
      pid: 4711,
      exitCode,
      signal,
      at: Date.now(),
    });
  }

  register(changed: { protocol?: number; cluster?: string; cpus?: number } = {}): Promise<RegisterReply> {
    return call(this.connection, register, {
      instance: { ...this.identity, ...(changed.cluster !== undefined && { cluster: changed.cluster }) },
      protocol: changed.protocol ?? protocolVersion,
      url: "http://127.0.0.1:1",
      capacity: 10,
      applications: ["test"],
      ...(changed.cpus !== undefined && { cpus: changed.cpus }),
    });
  }

  beatNow(): void {
    this.#sequence += 1;
    publish(
      this.connection,
      beat,
      {
        instance: this.identity,
        sequence: this.#sequence,
        sentAt: Date.now(),
        eventLoopLagMs: 0,
        residentBytes: 1,
        cpu: 0,
        load: this.load,
        ready: this.isReady,
        host: { loadPerCpu: 0, memoryTotalBytes: 1, memoryAvailableBytes: 1, diskTotalBytes: 1, diskAvailableBytes: 1 },
      },
      this.id,
    );
  }

  #answer(subject: string, reply: (data: unknown) => unknown): void {
    this.#subscriptions.push(
      this.connection.subscribe(subject, {
        callback: (error, message) => {
          if (error) return;
          const { id, data } = message.json<{ id: string; data: unknown }>();
          const response = reply(data);
          message.respond(
            JSON.stringify(
              response === undefined
                ? { id, err: { code: "stale-term", message: "an older term", retryable: false }, isDisposed: true }
                : { id, response, isDisposed: true },
            ),
          );
        },
      }),
    );
  }
}

export const newChangeId = (): string => randomUUID();
