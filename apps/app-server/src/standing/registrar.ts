/**
 * Asks the active message server to accept this incarnation, as long as the standing needs an answer (`needsAnswer`).
 *
 * It asks without end and never gives up by exiting: no message server yet is a normal state of a cluster that
 * starts. Waits grow and are jittered, so that servers that lost the same leader do not come back at once; a leader
 * that makes itself heard cuts a wait short. Registering again is idempotent (contracts/message-server.ts).
 */
import { availableParallelism } from "node:os";
import { Inject, Injectable } from "@nestjs/common";
import { protocolVersion, register, type RegisterReply } from "@understudy/contracts";
import {
  Backoff,
  call,
  CONFIGURATION,
  Identity,
  LOG,
  NatsConnections,
  NoRespondersHint,
  pause,
  SettingsWatch,
  type Log,
} from "@understudy/runtime";
import type { AppServerConfiguration } from "../app-server.config.ts";
import { UserListener } from "../hosting/user-listener.ts";
import { FollowedLeader } from "./followed-leader.ts";
import { LeaderContact } from "./leader-contact.ts";
import { ServerStanding } from "./server-standing.ts";
import { needsAnswer, type Standing } from "./standing.ts";

const answerMs = 2_500;
/** After a pause requests wait for the answer; a question that went into a connection that had died is asked again. */
const answerAfterPauseMs = 700;
/** For refusals that only an operator's change can mend. */
const finalRefusalMs = 5_000;
/** Spreads the servers that learn of a new leader by the same beat. */
const spreadMs = 150;
/** The longest time that setTimeout knows. */
const unlimitedMs = 2_147_483_647;
/** The same trouble is said again after so many fruitless questions: about once a minute. */
const sayEvery = 30;

@Injectable()
export class Registrar {
  readonly #abort = new AbortController();
  #wake = new AbortController();
  /** Whether a leader's beat may cut the present wait short. */
  #waitsForLeader = false;
  #fruitless = 0;
  #said = "";

  constructor(
    @Inject(NatsConnections) private readonly nats: NatsConnections,
    @Inject(Identity) private readonly identity: Identity,
    @Inject(CONFIGURATION) private readonly configuration: AppServerConfiguration,
    @Inject(SettingsWatch) private readonly settings: SettingsWatch,
    @Inject(FollowedLeader) private readonly leader: FollowedLeader,
    @Inject(ServerStanding) private readonly standing: ServerStanding,
    @Inject(UserListener) private readonly listener: UserListener,
    @Inject(LOG) private readonly log: Log,
    @Inject(LeaderContact) contact: LeaderContact,
  ) {
    contact.onBeat(() => {
      if (this.#waitsForLeader) this.#wake.abort();
    });
    // A question that was under way on the old connection is lost: NATS does not repeat it.
    this.nats.onConnected((connected) => {
      if (connected && needsAnswer(standing.current)) this.#wake.abort();
    });
    standing.onChange((now, before) => {
      if (needsAnswer(now) && (!needsAnswer(before) || askedAnew(now, before))) this.#wake.abort();
    });
  }

  /** Needs the open listener: its URL is what is registered. */
  start(): void {
    void this.#run();
  }

  /** An answer that is still under way changes nothing any more. */
  stop(): void {
    this.#abort.abort();
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(200, 2_000);
    while (!this.#abort.signal.aborted) {
      const round = new AbortController();
      this.#wake = round;
      await this.#round(backoff, round.signal);
      round.abort();
    }
  }

  /** One question, where one is needed, and the wait after it; `over` makes the next one due. */
  async #round(backoff: Backoff, over: AbortSignal): Promise<void> {
    const { current } = this.standing;
    if (!needsAnswer(current)) {
      backoff.reset();
      this.#waitsForLeader = false;
      return pause(unlimitedMs, over);
    }
    if (current.kind === "serving" || this.#waitsForLeader) {
      await pause(Math.random() * spreadMs, this.#abort.signal);
      // The new leader may have introduced itself meanwhile.
      if (!needsAnswer(this.standing.current)) return;
    }
    await Promise.race([this.#ask(backoff, over).then((ms) => pause(ms, over)), pause(unlimitedMs, over)]);
  }

  /** Asks once and applies the answer; returns how long to wait before the next question. */
  async #ask(backoff: Backoff, over: AbortSignal): Promise<number> {
    const askedAtMs = this.standing.nowMs();
    const { incarnation } = this.identity;
    this.#waitsForLeader = false;
    let reply: RegisterReply;
    try {
      const question = {
        instance: this.identity.full,
        protocol: protocolVersion,
        url: this.listener.url,
        capacity: this.configuration.UNDERSTUDY_CAPACITY,
        applications: this.configuration.UNDERSTUDY_APPLICATIONS.map(({ name }) => name),
        cpus: availableParallelism(),
      };
      const timeoutMs = this.standing.current.kind === "confirming" ? answerAfterPauseMs : answerMs;
      reply = await call(this.nats.main, register, question, { timeoutMs });
    } catch (error) {
      // Given up for a newer question.
      if (over.aborted) return 0;
      const because = error instanceof NoRespondersHint ? "there is no message server yet" : (error as Error).message;
      this.#say(because);
      this.standing.apply({ type: "unanswered", because });
      this.#waitsForLeader = error instanceof NoRespondersHint;
      return backoff.nextMs();
    }
    if (reply.verdict === "accepted") return this.#accepted(reply, incarnation, askedAtMs, backoff);
    const because = `refused (${reply.reason}): ${reply.message}`;
    this.#say(because);
    if (reply.reason === "declared-lost") {
      this.standing.apply({ type: "lost", incarnation, reason: because });
      return backoff.nextMs();
    }
    const final = reply.retryAfterMs === undefined;
    this.standing.apply({ type: "refused", incarnation, askedAtMs, because, final });
    return (reply.retryAfterMs ?? finalRefusalMs) * (1 + Math.random() / 4);
  }

  #accepted(
    reply: Extract<RegisterReply, { verdict: "accepted" }>,
    incarnation: string,
    askedAtMs: number,
    backoff: Backoff,
  ): number {
    const verdict = this.leader.hear(reply.leader);
    if (verdict === "stale" || verdict === "contradicts") {
      this.#say(`the answer of term ${reply.leader.term} is passed over: another leader is followed`);
      return backoff.nextMs();
    }
    this.#said = "";
    this.settings.offer(reply.settings);
    this.standing.apply({ type: "accepted", incarnation, askedAtMs });
    // If the standing still needs an answer (it was paused meanwhile), it asks again at once.
    return 0;
  }

  #say(because: string): void {
    if (this.#said !== because) this.#fruitless = 0;
    this.#said = because;
    if (this.#fruitless % sayEvery === 0) this.log.info({ asked: this.#fruitless + 1 }, `not accepted: ${because}`);
    this.#fruitless += 1;
  }
}

/** A new incarnation, or a pause: whatever was being waited for is no longer the answer. */
const askedAnew = (now: Standing, before: Standing): boolean =>
  now.incarnation !== before.incarnation || ("sinceMs" in now && "sinceMs" in before && now.sinceMs !== before.sinceMs);
