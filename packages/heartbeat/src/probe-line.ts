import { createInbox, type Msg, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { decodeReply, encodeRequest, probe, subjectOf, type InstanceRef } from "@understudy/contracts";

export interface ProbeEvents {
  /** Anything came back through this line's node: an echo or an answer. */
  heard(node: string): void;
  answered(node: string, instance: InstanceRef): void;
  /** 503. `alone`: this was the only line that asked in its round. */
  refused(node: string, id: string, probedAt: number, alone: boolean): void;
}

/**
 * Asks instances through one lifeline, many of them several times a second, so it is kept cheap: one subscription, no
 * timer and no promise per question. What must be known when an answer comes stands in its reply subject:
 * `<inbox>.<id>.<asked at>.<alone|all>`, and `<inbox>.echo` for messages to ourselves.
 */
export class ProbeLine {
  readonly #inbox: string;
  readonly #subscription: Subscription;

  constructor(
    readonly node: string,
    private readonly connection: NatsConnection,
    private readonly events: ProbeEvents,
    /** Where NATS lets this user hear. */
    inboxPrefix?: string,
  ) {
    this.#inbox = createInbox(inboxPrefix);
    this.#subscription = connection.subscribe(`${this.#inbox}.>`, {
      callback: (error, message) => {
        if (error === null) this.#hear(message);
      },
    });
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }

  /** A message to ourselves through the node: proves that it carries and that we hear. */
  echo(): void {
    if (!this.connection.isClosed()) this.connection.publish(`${this.#inbox}.echo`);
  }

  ask(id: string, at: number, mode: "alone" | "all"): void {
    if (this.connection.isClosed()) return;
    const subject = subjectOf(probe, id);
    // Rounded down: an answer counts only for signs of life before the question, so too early is the safe side.
    const reply = `${this.#inbox}.${id}.${Math.floor(at)}.${mode}`;
    this.connection.publish(subject, encodeRequest(subject, "probe", {}), { reply });
  }

  #hear(message: Msg): void {
    this.events.heard(this.node);
    const [id, probedAt, mode] = message.subject.slice(this.#inbox.length + 1).split(".");
    if (id === undefined || probedAt === undefined) return;
    if (message.data.length === 0 && message.headers?.code === 503) {
      this.events.refused(this.node, id, Number(probedAt), mode === "alone");
      return;
    }
    try {
      const reply = decodeReply(message.string());
      const answer = reply.kind === "reply" ? probe.reply.safeParse(reply.value) : undefined;
      if (answer?.success === true) this.events.answered(this.node, { id, incarnation: answer.data.incarnation });
    } catch {
      // Not an answer to a probe. Whoever sent it has said nothing about the instance.
    }
  }
}
