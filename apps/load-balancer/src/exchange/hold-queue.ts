/**
 * Requests that wait because no app server can serve them. Owns their order and their deadlines, nothing else.
 *
 * - B1. First come, first served: a release offers each, oldest first; what finds no server stays in its place.
 * - B2. Bounded in number (`holdRequests`) and in time (`holdMs`, counted from the first time that a request waited).
 */
export interface Held<Server> {
  /** When it is answered 503, on the balancer's clock. Set at the first `add`; 0 before. */
  holdDeadlineMs: number;
  /** The server that it would go to now. */
  chooseServer(): Server | undefined;
  /** It has left the queue. It may come back if that fails. */
  proceedWith(server: Server): void;
  /** It has left the queue: it waited too long. */
  onHoldExpired(): void;
}

export interface HoldLimits {
  readonly holdMs: number;
  readonly holdRequests: number;
}

export class HoldQueue<Server> {
  readonly #entries = new Set<Held<Server>>();

  get size(): number {
    return this.#entries.size;
  }

  /** False when the queue is full or the entry's time is over: nothing was added. */
  add(entry: Held<Server>, nowMs: number, limits: HoldLimits): boolean {
    if (entry.holdDeadlineMs === 0) entry.holdDeadlineMs = nowMs + limits.holdMs;
    if (this.#entries.size >= limits.holdRequests || entry.holdDeadlineMs <= nowMs) return false; // B2
    this.#entries.add(entry);
    return true;
  }

  remove(entry: Held<Server>): void {
    this.#entries.delete(entry);
  }

  /** Lets every waiting request go that finds a server, in order (B1). */
  release(): void {
    // Over a copy: one that fails at once is added again and waits for the next release.
    const waiting = [...this.#entries];
    for (const entry of waiting) {
      if (!this.#entries.has(entry)) continue;
      const server = entry.chooseServer();
      if (server === undefined) continue;
      this.#entries.delete(entry);
      entry.proceedWith(server);
    }
  }

  expire(nowMs: number): void {
    for (const entry of this.#entries) {
      if (entry.holdDeadlineMs > nowMs) continue;
      this.#entries.delete(entry);
      entry.onHoldExpired();
    }
  }
}
