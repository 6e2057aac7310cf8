/**
 * The latest beat of every instance, heard on all lifelines.
 *
 * A beat is sent once through each NATS node. The board's lifelines form one queue group, in which a node prefers the
 * lifeline that ends at itself: so each of the three copies arrives once, through the node that it was sent through,
 * and none depends on another node. (Plain subscriptions would bring nine.) Copies are equal byte by byte, so all but
 * the first are dropped before they are parsed.
 *
 * - B1. `latest` never goes back: neither to a lower sequence nor to an older incarnation (UUIDv7 sorts by time).
 * - B2. Listeners hear each beat once, and only those that are news in the sense of B1.
 */
import { nuid, type Msg, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { beat, subjectOf, type Beat } from "@understudy/contracts";
import type { Log, NatsConnections } from "@understudy/runtime";

export interface HeardBeat {
  readonly beat: Beat;
  /** `performance.now()` of this process when the first copy arrived. */
  readonly heardAtMs: number;
  /** The NATS node through which the first copy arrived. */
  readonly through: string;
}

// Some beats may be under way at once: two of one instance at a change of readiness, slow copies through other nodes.
const rememberedCopies = 4;
const forgetAfterMs = 10 * 60_000;

interface Place {
  latest: HeardBeat | undefined;
  readonly copies: Uint8Array[];
}

export class BeatBoard {
  readonly #places = new Map<string, Place>();
  readonly #listeners: ((heard: HeardBeat) => void)[] = [];
  readonly #subscriptions: Subscription[] = [];
  /** One for all lifelines of this board, and of this board alone. */
  readonly #queue = `board-${nuid.next()}`;
  #state: "new" | "listening" | "stopped" = "new";

  constructor(
    private readonly nats: NatsConnections,
    private readonly log: Log,
  ) {}

  start(): void {
    if (this.#state !== "new") return;
    this.#state = "listening";
    this.nats.onLifeline((connection, server) => this.#listen(connection, server));
  }

  stop(): void {
    this.#state = "stopped";
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  /** Calls `listener` for each beat that is news, once. */
  onBeat(listener: (heard: HeardBeat) => void): void {
    this.#listeners.push(listener);
  }

  latest(id: string): HeardBeat | undefined {
    return this.#places.get(id)?.latest;
  }

  /** Of every instance heard in the last ten minutes, of all kinds. */
  all(): HeardBeat[] {
    const heard: HeardBeat[] = [];
    for (const [id, { latest }] of this.#places) {
      if (latest === undefined) continue;
      if (performance.now() - latest.heardAtMs > forgetAfterMs) this.#places.delete(id);
      else heard.push(latest);
    }
    return heard;
  }

  #listen(connection: NatsConnection, server: string): void {
    if (this.#state !== "listening") return;
    const subscription = connection.subscribe(subjectOf(beat, "*"), {
      queue: this.#queue,
      callback: (error, message) => {
        if (error === null) this.#hear(message, server);
      },
    });
    this.#subscriptions.push(subscription);
  }

  #hear(message: Msg, through: string): void {
    const id = message.subject.slice(message.subject.lastIndexOf(".") + 1);
    let place = this.#places.get(id);
    if (place?.copies.some((copy) => Buffer.compare(copy, message.data) === 0)) return;
    let heard;
    try {
      heard = beat.event.parse(message.json());
    } catch (error) {
      this.log.warn({ subject: message.subject, reason: (error as Error).message }, "an unreadable beat");
      return;
    }
    if (heard.instance.id !== id) return;
    if (place === undefined) this.#places.set(id, (place = { latest: undefined, copies: [] }));
    // Copied: the message's bytes are a window on a much larger read buffer.
    place.copies.push(message.data.slice());
    if (place.copies.length > rememberedCopies) place.copies.shift();
    if (!isNews(heard, place.latest?.beat)) return; // B1
    place.latest = { beat: heard, heardAtMs: performance.now(), through };
    for (const listener of this.#listeners) listener(place.latest);
  }
}

/** B1 */
export function isNews(next: Beat, known: Beat | undefined): boolean {
  if (known === undefined) return true;
  const [a, b] = [next.instance.incarnation, known.instance.incarnation];
  return a === b ? next.sequence > known.sequence : a > b;
}
