/**
 * Asks the holder of the lease whether it is there, many times a second, and turns what it hears into hints (L4).
 *
 * - 503 on the holder's own subject through *every* NATS node that we reach: its process is gone. One node is not
 *   enough, and a node that has just started is no witness: it knows no subscriptions before the holder is back on it.
 * - an answer from another incarnation of the same id: the holder was restarted, its old self is gone.
 * - no answer for `unansweredMs` through any node while our own event loop was healthy and a node was reached all that
 *   time: frozen, or its machine fell silent.
 *
 * Each round asks through one node, in turn, so that a dead node costs one round and not the whole view.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { probe, type Evidence } from "@understudy/contracts";
import { call, NoRespondersHint, type LifelineState, type Log, type NatsConnections } from "@understudy/runtime";
import type { SeenLease } from "./lease.ts";

export interface HolderProbeOptions {
  readonly nats: NatsConnections;
  readonly observer: string;
  readonly log: Log;
  /** The lease to watch over; undefined while there is no holder, or it is ourselves. */
  readonly holder: () => SeenLease["lease"]["holder"] | undefined;
  readonly onHint: (incarnation: string, evidence: readonly Evidence[]) => void;
  readonly onAlive: (incarnation: string) => void;
  /** Every 20 ms by default: a killed process is noticed after half of it, at 2% of a core. */
  readonly everyMs?: number;
  readonly unansweredMs?: number;
}

// Longest own stall that still lets silence count: longer ones restart the measure.
const ownStallMs = 250;

// How long a NATS node must have been up, as far as we know, before its 503 means anything. Clients come back within
// some 300 ms, on a busy machine later. A first connection tells nothing of the node's age; most are old.
const restartedNodeMs = 2_000;
const newLinkMs = 500;

interface Lifeline {
  readonly connection: NatsConnection;
  readonly state: LifelineState;
  /** New at each start of the node. */
  nodeIncarnation: string | undefined;
  isWitnessFrom: number;
}

export class HolderProbe {
  readonly #lifelines: Lifeline[] = [];
  readonly #everyMs: number;
  readonly #unansweredMs: number;
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;
  #rounds = 0;
  #incarnation: string | undefined;
  /** Since when silence counts. */
  #silentSince = 0;
  #heardAt: number | undefined;
  #lastRoundAt = 0;
  #isConfirming = false;
  #outstanding = 0;

  constructor(private readonly options: HolderProbeOptions) {
    this.#everyMs = options.everyMs ?? 20;
    this.#unansweredMs = options.unansweredMs ?? 1_000;
  }

  start(): void {
    this.options.nats.onLifeline((connection, _server, state) =>
      this.#lifelines.push({ connection, state, nodeIncarnation: undefined, isWitnessFrom: Infinity }),
    );
    this.#lastRoundAt = performance.now();
    this.#timer = setInterval(() => this.#round(), this.#everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Wall clock of the last sign of life of the present holder; undefined before the first. */
  get lastAnswerAt(): number | undefined {
    return this.#heardAt === undefined ? undefined : Date.now() - (performance.now() - this.#heardAt);
  }

  #round(): void {
    const now = performance.now();
    const stalled = now - this.#lastRoundAt > ownStallMs;
    this.#lastRoundAt = now;
    const holder = this.options.holder();
    if (holder === undefined) {
      this.#incarnation = undefined;
      return;
    }
    if (holder.incarnation !== this.#incarnation) {
      this.#incarnation = holder.incarnation;
      this.#heardAt = undefined;
      this.#silentSince = now;
    }
    const standing = this.#standing(now);
    // Silence says something only while we ourselves run and are connected.
    if (stalled || !standing.some((link) => link.isWitnessFrom <= now)) this.#silentSince = now;
    const silentMs = now - this.#silentSince;
    if (silentMs >= this.#unansweredMs) {
      this.#hint(holder, "unanswered-probes", `no answer for ${Math.round(silentMs)} ms`);
    }
    // While answers are missing, ask less often: the requests only pile up.
    this.#rounds += 1;
    if (this.#outstanding > 10 && this.#rounds % 10 !== 0) return;
    const link = standing[this.#turn++ % Math.max(1, standing.length)];
    if (link !== undefined) void this.#ask(link, holder);
  }

  /** A node that is gone must not be waited for: what the others say is all that can be known. */
  #standing(now: number): Lifeline[] {
    const standing = this.#lifelines.filter(({ connection, state }) => state.connected && !connection.isClosed());
    for (const link of standing) {
      const nodeIncarnation = link.connection.info?.server_id;
      if (nodeIncarnation === undefined || nodeIncarnation === link.nodeIncarnation) continue;
      link.isWitnessFrom = now + (link.nodeIncarnation === undefined ? newLinkMs : restartedNodeMs);
      link.nodeIncarnation = nodeIncarnation;
    }
    return standing;
  }

  async #ask(link: Lifeline, holder: SeenLease["lease"]["holder"]): Promise<void> {
    const heard = await this.#probe(link.connection, holder);
    const now = performance.now();
    if (heard !== "gone" || link.isWitnessFrom > now || this.#isConfirming) return;
    this.#isConfirming = true;
    try {
      const others = this.#standing(now).filter((other) => other !== link);
      const answers = await Promise.all(others.map((other) => this.#probe(other.connection, holder, 250)));
      const isGone = answers.every(
        (answer, index) =>
          answer === "gone" ||
          answer === "unreachable" ||
          (answer === "silent" && (others[index]?.isWitnessFrom ?? 0) > now),
      );
      if (isGone) this.#hint(holder, "no-responders", `no NATS node knows it (${1 + others.length} asked)`);
    } finally {
      this.#isConfirming = false;
    }
  }

  async #probe(
    link: NatsConnection,
    holder: SeenLease["lease"]["holder"],
    timeoutMs = 2_000,
  ): Promise<"alive" | "gone" | "silent" | "unreachable"> {
    this.#outstanding += 1;
    try {
      const { incarnation } = await call(link, probe, {}, { id: holder.id, timeoutMs });
      if (incarnation !== holder.incarnation) {
        this.#hint(holder, "exit", `another incarnation of ${holder.id} answers`);
        return "alive";
      }
      if (this.#incarnation === incarnation) {
        this.#heardAt = performance.now();
        this.#silentSince = this.#heardAt;
        this.options.onAlive(incarnation);
      }
      return "alive";
    } catch (error) {
      if (error instanceof NoRespondersHint) return "gone";
      return (error as { code?: string }).code === "timeout" ? "silent" : "unreachable";
    } finally {
      this.#outstanding -= 1;
    }
  }

  #hint(holder: SeenLease["lease"]["holder"], kind: Evidence["kind"], detail: string): void {
    if (this.options.holder()?.incarnation !== holder.incarnation) return;
    this.options.onHint(holder.incarnation, [{ kind, at: Date.now(), observer: this.options.observer, detail }]);
  }
}
