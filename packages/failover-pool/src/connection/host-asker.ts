/**
 * Asks hosts who they are, over connections of its own. Never rejects.
 *
 * It owns one connection for each host that last answered as a standby: whoever seeks a primary asks the same hosts
 * again and again, and a login with SCRAM costs both sides milliseconds of processor time, just when a failover needs
 * them. Sessions outlive a promotion, so the same one says when its server has become the primary. What is not asked
 * again soon is closed; so is what answered as primary, failed or stayed silent.
 */
import { kindOfError, reasonOf } from "../errors/error-table.ts";
import type { HostAnswer } from "../primary/choose-primary.ts";
import type { Host } from "../primary/host-list.ts";
import type { PgClient } from "./pg-internals.ts";
import { identityQuery, sessionFacts } from "./server-identity.ts";

export interface Asking {
  readonly answer: Promise<HostAnswer>;
  stop(): void;
}

interface Kept {
  readonly client: PgClient;
  readonly timer: NodeJS.Timeout;
}

/** The longest wait between two rounds of asking is shorter. */
const keptMs = 1_500;

export class HostAsker {
  readonly #kept = new Map<Host, Kept>();
  #isClosed = false;

  constructor(
    private readonly makeClient: (host: Host) => PgClient,
    private readonly patienceMs: number,
  ) {}

  /** `silent` after the patience given. */
  ask(host: Host): Asking {
    const kept = this.#take(host);
    const client = kept ?? this.#newClient(host);
    let timer: NodeJS.Timeout | undefined;
    let giveUp: (() => void) | undefined;
    const patience = new Promise<HostAnswer>((resolve) => {
      giveUp = () => {
        client.connection.stream.destroy();
        resolve({ type: "silent" });
      };
      timer = setTimeout(giveUp, this.patienceMs);
      timer.unref();
    });
    const asked = this.#ask(host, client, kept === undefined);
    const answer = Promise.race([asked, patience]).finally(() => clearTimeout(timer));
    return { answer, stop: () => giveUp?.() };
  }

  /** Closes what is kept; whoever is asked from now on is closed behind the answer. */
  close(): void {
    this.#isClosed = true;
    for (const host of this.#kept.keys()) this.#take(host)?.connection.stream.destroy();
  }

  #newClient(host: Host): PgClient {
    const client = this.makeClient(host);
    client.on("error", () => undefined);
    client.once("end", () => {
      if (this.#kept.get(host)?.client === client) this.#take(host);
    });
    return client;
  }

  async #ask(host: Host, client: PgClient, isNew: boolean): Promise<HostAnswer> {
    try {
      if (isNew) await client.connect();
      const { rows } = await client.query<Record<string, unknown>>(identityQuery);
      const facts = sessionFacts(rows[0]);
      if (facts.isStandby && !this.#isClosed) this.#keep(host, client);
      else client.end().catch(() => undefined);
      return { type: "facts", facts };
    } catch (error) {
      client.connection.stream.destroy();
      return { type: "failed", kind: kindOfError(error), reason: reasonOf(error), error };
    }
  }

  #keep(host: Host, client: PgClient): void {
    // Asked twice at once: one is enough.
    this.#take(host)?.connection.stream.destroy();
    client.unref();
    const timer = setTimeout(
      () =>
        this.#take(host)
          ?.end()
          .catch(() => undefined),
      keptMs,
    );
    timer.unref();
    this.#kept.set(host, { client, timer });
  }

  /** The caller's from now on. */
  #take(host: Host): PgClient | undefined {
    const kept = this.#kept.get(host);
    if (kept === undefined) return undefined;
    this.#kept.delete(host);
    clearTimeout(kept.timer);
    kept.client.ref();
    return kept.client;
  }
}
