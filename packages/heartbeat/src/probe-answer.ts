import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import { probe, subjectOf } from "@understudy/contracts";
import type { Identity } from "@understudy/runtime";

/**
 * Answers probes of this instance, in the form of Nest's transport, on as many connections as are given to `on`.
 *
 * A probe is delivered once through each lifeline (plain subscriptions, no queue group: a queue would sometimes
 * choose the one whose NATS node is frozen). The first copy is answered; the others carry the same reply subject.
 */
export class ProbeAnswer {
  readonly #subscriptions: Subscription[] = [];
  /** Ring of reply subjects that were answered: two monitors and a message server ask some ten times a second. */
  readonly #answered: string[] = Array.from({ length: 32 }, () => "");
  #next = 0;

  constructor(private readonly identity: Identity) {}

  on(connection: NatsConnection): void {
    const subscription = connection.subscribe(subjectOf(probe, this.identity.id), {
      callback: (error, message) => {
        if (error !== null || message.reply === undefined || this.#answered.includes(message.reply)) return;
        this.#answered[this.#next] = message.reply;
        this.#next = (this.#next + 1) % this.#answered.length;
        message.respond(this.#reply(message.string()));
      },
    });
    this.#subscriptions.push(subscription);
  }

  stop(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  #reply(request: string): string {
    const response = { incarnation: this.identity.incarnation };
    return JSON.stringify({ response, isDisposed: true, id: idOf(request) });
  }
}

/** Anybody who asks is answered: a raw client that sends no envelope as well. */
function idOf(request: string): string {
  try {
    const envelope = JSON.parse(request) as { id?: unknown } | null;
    return typeof envelope?.id === "string" ? envelope.id : "";
  } catch {
    return "";
  }
}
