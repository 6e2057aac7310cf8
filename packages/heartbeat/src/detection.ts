/**
 * The failure detector's decisions: facts in, verdicts out. No timers, no connections, no clock of its own.
 *
 * States of an instance: `alive`, `suspect` (it may be gone: route elsewhere, ask again), `silent` (provably unheard for
 * `lostAfterMs`). Every verdict is left at once on a sign of life. None of them decides an instance's fate: the message
 * server does.
 *
 * - F1. A sign of life is a beat with a higher sequence than known, or an answer to a probe. Copies through other NATS
 *   nodes, late and reordered beats are none; neither is anything from an older incarnation.
 * - F2. `suspect` on 503: a quorum of the NATS nodes has answered that nobody subscribes to the instance's subject, to
 *   probes sent after its last sign of life. One node alone may just have been cut off from the others.
 * - F3. `suspect` on unanswered probes and `silent` count listening time (see `listening.ts`), never time on the wall: a
 *   paused, cut-off or starved observer finds nobody dead.
 * - F4. `silent` needs `lostAfterMs` of listening through a quorum of nodes, without a beat through any node and with
 *   probes sent in that time. Instances speak through every node, so one node lost, cut or frozen changes nothing.
 * - F5. A newer incarnation replaces the one known, whatever its verdict was.
 */
import type { Evidence, EvidenceKind, InstanceRef } from "@understudy/contracts";
import { Listening, type Clocks } from "./listening.ts";

export type Verdict = "alive" | "suspect" | "silent";

/** All times are milliseconds of the observer's monotonic clock; `node` is the NATS node through which it came. */
export type Fact =
  /** Anything at all came through the node. */
  | { readonly kind: "heard"; readonly node: string; readonly at: number }
  | {
      readonly kind: "beat";
      readonly instance: InstanceRef;
      readonly sequence: number;
      readonly node: string;
      readonly at: number;
    }
  | { readonly kind: "probed"; readonly id: string; readonly at: number }
  | { readonly kind: "answered"; readonly instance: InstanceRef; readonly node: string; readonly at: number }
  /** 503 to a probe that was sent at `probedAt`. */
  | {
      readonly kind: "refused";
      readonly id: string;
      readonly node: string;
      readonly probedAt: number;
      readonly at: number;
    }
  /** Somebody knows of the instance; its silence counts from now even if it is never heard. */
  | { readonly kind: "expected"; readonly instance: InstanceRef; readonly at: number };

export interface Finding {
  readonly instance: InstanceRef;
  readonly verdict: Verdict;
  /** Since the last beat through any node, on the observer's clock. */
  readonly silentMs: number;
  /** Of the present suspicion, or of the latest one that proved wrong. At most one of each kind. */
  readonly evidence: readonly Evidence[];
}

export interface DetectionSettings {
  readonly lostAfterMs: number;
  readonly probeMs: number;
}

/** An instance that was silent for so long is forgotten: it left, or the message server has long decided. */
export const forgetAfterMs = 10 * 60_000;
// Fewer in the time of a suspicion mean that the observer itself was late.
const leastProbes = 3;
// A busy process may be late by some 100 ms on a starved machine; suspicion should not flicker.
const leastSuspicionMs = 500;

interface Observed {
  readonly instance: InstanceRef;
  /** As of the last assessment; undefined before the first. */
  verdict: Verdict | undefined;
  sequence: number;
  lastBeatAt: number;
  lastLifeAt: number;
  clocksAtLife: Clocks;
  probesSinceLife: number;
  refusedBy: readonly string[];
  evidence: readonly Evidence[];
}

export class Detection {
  readonly #instances = new Map<string, Observed>();
  readonly #listening: Listening;

  constructor(
    nodes: readonly string[],
    private readonly observer: string,
    private settings: DetectionSettings,
  ) {
    this.#listening = new Listening(nodes);
  }

  configure(settings: DetectionSettings): void {
    this.settings = settings;
  }

  get ids(): readonly string[] {
    return [...this.#instances.keys()];
  }

  /** Nodes that are listened to now. */
  heardNodes(at: number): readonly string[] {
    return this.#listening.nodes(at);
  }

  hearsEnough(at: number): boolean {
    return this.#listening.hearsEnough(at);
  }

  /** True when a probe was sent and no sign of life has come since. */
  isWaitedFor(id: string): boolean {
    return (this.#instances.get(id)?.probesSinceLife ?? 0) > 0;
  }

  observe(fact: Fact): void {
    if ("node" in fact) this.#listening.heard(fact.node, fact.at);
    switch (fact.kind) {
      case "heard":
        break;
      case "beat": {
        const known = this.#meet(fact.instance, fact.at);
        if (known === undefined || fact.sequence <= known.sequence) break; // F1
        known.sequence = fact.sequence;
        known.lastBeatAt = fact.at;
        this.#revive(known, fact.at);
        break;
      }
      case "answered": {
        const known = this.#meet(fact.instance, fact.at);
        if (known !== undefined) this.#revive(known, fact.at);
        break;
      }
      case "expected":
        this.#meet(fact.instance, fact.at);
        break;
      case "probed": {
        const known = this.#instances.get(fact.id);
        if (known !== undefined) known.probesSinceLife++;
        break;
      }
      case "refused": {
        const known = this.#instances.get(fact.id);
        if (known === undefined || fact.probedAt < known.lastLifeAt) break; // F2
        if (!known.refusedBy.includes(fact.node)) known.refusedBy = [...known.refusedBy, fact.node];
        break;
      }
    }
  }

  /** Judges all instances; returns those that are new or whose verdict changed. `wallAt` dates the evidence. */
  assess(at: number, wallAt: number): readonly Finding[] {
    const changed: Finding[] = [];
    for (const [id, observed] of this.#instances) {
      const before = observed.verdict;
      const heardMs = this.#listening.sinceMs(observed.clocksAtLife);
      const kinds = this.#indications(observed, heardMs);
      observed.verdict = kinds.includes("silence") ? "silent" : kinds.length > 0 ? "suspect" : "alive";
      if (observed.verdict !== "alive") {
        if (before === "alive") observed.evidence = []; // of an earlier suspicion
        for (const kind of kinds) this.#record(observed, kind, heardMs, at, wallAt);
      }
      if (observed.verdict !== before) changed.push(findingOf(observed, at));
      if (observed.verdict === "silent" && at - observed.lastLifeAt > forgetAfterMs) this.#instances.delete(id);
    }
    return changed;
  }

  /** As of the last assessment; undefined for one that is unknown or new. */
  verdictOf(id: string): Verdict | undefined {
    return this.#instances.get(id)?.verdict;
  }

  find(id: string, at: number): Finding | undefined {
    const observed = this.#instances.get(id);
    return observed && findingOf(observed, at);
  }

  /** All instances that have been assessed. */
  all(at: number): readonly Finding[] {
    return [...this.#instances.values()]
      .filter(({ verdict }) => verdict !== undefined)
      .map((observed) => findingOf(observed, at));
  }

  /** The state of this incarnation, made when it is new; undefined when it is older than the one known. */
  #meet(instance: InstanceRef, at: number): Observed | undefined {
    const known = this.#instances.get(instance.id);
    if (known?.instance.incarnation === instance.incarnation) return known;
    if (known !== undefined && instance.incarnation < known.instance.incarnation) return undefined; // F1
    const met: Observed = {
      instance: { id: instance.id, incarnation: instance.incarnation },
      verdict: undefined,
      sequence: -1,
      lastBeatAt: at,
      lastLifeAt: at,
      clocksAtLife: this.#listening.read(at),
      probesSinceLife: 0,
      refusedBy: [],
      evidence: [],
    };
    this.#instances.set(instance.id, met); // F5
    return met;
  }

  #revive(observed: Observed, at: number): void {
    observed.lastLifeAt = at;
    observed.clocksAtLife = this.#listening.read(at);
    observed.probesSinceLife = 0;
    observed.refusedBy = [];
  }

  #indications(observed: Observed, heardMs: number): readonly EvidenceKind[] {
    const kinds: EvidenceKind[] = [];
    const isAsked = observed.probesSinceLife >= leastProbes;
    if (observed.refusedBy.length >= this.#listening.quorum) kinds.push("no-responders"); // F2
    else if (isAsked && heardMs >= Math.max(3 * this.settings.probeMs, leastSuspicionMs))
      kinds.push("unanswered-probes"); // F3
    if (isAsked && heardMs >= this.settings.lostAfterMs) kinds.push("silence"); // F4
    return kinds;
  }

  #record(observed: Observed, kind: EvidenceKind, heardMs: number, at: number, wallAt: number): void {
    if (observed.evidence.some((known) => known.kind === kind)) return;
    const heard = `listened ${Math.round(heardMs)} ms through ${this.heardNodes(at).join(", ") || "no node"}`;
    const detail =
      kind === "no-responders"
        ? `503 from ${observed.refusedBy.join(", ")}`
        : `${observed.probesSinceLife} probes without an answer, ${heard}`;
    const since = `${Math.round(at - observed.lastLifeAt)} ms after the last sign of life`;
    observed.evidence = [
      ...observed.evidence,
      { kind, at: wallAt, observer: this.observer, detail: `${detail}; ${since}` },
    ];
  }
}

function findingOf({ instance, verdict = "alive", lastBeatAt, evidence }: Observed, at: number): Finding {
  return { instance, verdict, silentMs: Math.max(0, at - lastBeatAt), evidence };
}
