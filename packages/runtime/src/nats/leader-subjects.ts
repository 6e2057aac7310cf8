/**
 * The subjects that only a leader answers, for the time of one leadership and a little longer.
 *
 *   answering   carries requests out
 *   refusing    leads no more, and a successor does not answer yet: `not-leader`, at once
 *   lingering   the successor answers; what only came here is refused after `refuseAfterMs`, unless the successor may
 *               have it in work and must not get it twice
 *   gone        unsubscribed
 *
 * It does not just unsubscribe, because a request that is on its way here then is dropped without a word by its last
 * NATS node, and its sender waits until it times out. While lingering it gives the successor's answer the precedence:
 * a request that reached both is answered there long before.
 */
import type { Msg, MsgCallback, NatsConnection, Subscription } from "@nats-io/transport-node";
import { encodeRefusal } from "@understudy/contracts";
import { pause } from "../wait.ts";

export interface SubjectHandler {
  readonly subject: string;
  readonly handle: MsgCallback<Msg>;
  /** Whether a request that two of us got may be asked again after one of them refused it. */
  readonly isRepeatable: boolean;
}

const refuseAfterMs = 25;
const lingerMs = 1_000;

export class LeaderSubjects {
  #state: "answering" | "refusing" | "lingering" | "gone" = "answering";
  readonly #subscriptions: readonly Subscription[];

  constructor(
    client: NatsConnection,
    private readonly id: string,
    handlers: readonly SubjectHandler[],
  ) {
    this.#subscriptions = handlers.map(({ subject, handle, isRepeatable }) =>
      client.subscribe(subject, {
        callback: (error, message) => {
          if (this.#state === "answering" || error !== null) return handle(error, message);
          if (this.#state === "refusing") this.#refuse(message);
          else if (isRepeatable) setTimeout(() => this.#refuse(message), refuseAfterMs);
        },
      }),
    );
  }

  /** Ends answering now, and for good some time after `successorAnswers` resolves. */
  async leave(successorAnswers: Promise<unknown>): Promise<void> {
    if (this.#state !== "answering") return;
    this.#state = "refusing";
    await successorAnswers.catch(() => undefined);
    if (this.#state === "refusing") this.#state = "lingering";
    await pause(lingerMs);
    this.end();
  }

  /** Unsubscribes at once: the same process answers anew. */
  end(): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #refuse(message: Msg): void {
    try {
      message.respond(
        encodeRefusal(message.string(), {
          code: "not-leader",
          message: `${this.id} does not lead any more.`,
          retryable: true,
        }),
      );
    } catch {
      // Not a request of ours, or the connection is closed by now, as at a stop: nobody can be answered.
    }
  }
}
