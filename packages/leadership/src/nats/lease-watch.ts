/**
 * Follows the entry of a lease in NATS KV until it is stopped; survives whatever NATS does meanwhile.
 *
 * A watch's consumer lives on one NATS node. When that is lost, the client library notices after 60 s at the earliest
 * (two idle heartbeats of 30 s; measured: 55 s to more than a minute), and nobody is told. So what a read has shown
 * must come through the watch as well, soon after; if not, the watch is begun anew (`expect`).
 *
 * - Each revision is shown once, in rising order, also across watches begun anew.
 */
import type { KV } from "@nats-io/kv";
import { Backoff, pause, type Log } from "@understudy/runtime";
import { lease, type SeenLease } from "../lease.ts";

// Far longer than a delivery takes, far shorter than the elector's reads are apart.
const graceMs = 500;

export class LeaseWatch {
  #shown = 0;
  #stopEntries: () => void = () => undefined;
  #expectation: NodeJS.Timeout | undefined;
  readonly #stopped = new AbortController();

  constructor(
    private readonly kv: KV,
    private readonly key: string,
    private readonly onChange: (seen: SeenLease) => void,
    private readonly log: Log,
  ) {}

  start(): void {
    void this.#follow(this.#stopped.signal);
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#expectation);
    this.#stopEntries();
  }

  /** A read showed this revision. */
  expect(revision: number): void {
    if (revision <= this.#shown || this.#expectation !== undefined || this.#stopped.signal.aborted) return;
    this.#expectation = setTimeout(() => {
      this.#expectation = undefined;
      if (this.#shown >= revision) return;
      this.log.info({ revision, shown: this.#shown }, "the watch of the lease is dead; beginning anew");
      this.#stopEntries();
    }, graceMs);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(50, 1_000);
    while (!signal.aborted) {
      try {
        const entries = await this.kv.watch({ key: this.key });
        this.#stopEntries = () => entries.stop();
        if (signal.aborted) return entries.stop();
        for await (const entry of entries) {
          backoff.reset();
          if (signal.aborted) return;
          if (entry.operation !== "PUT" || entry.revision <= this.#shown) continue;
          this.#shown = entry.revision;
          this.onChange({ lease: lease.parse(entry.json()), revision: entry.revision });
        }
      } catch (error) {
        this.log.debug({ reason: (error as Error).message }, "the watch of the lease broke");
      }
      await pause(backoff.nextMs(), signal);
    }
  }
}
