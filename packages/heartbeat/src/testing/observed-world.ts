/**
 * A simulated world around one `Detection`: an instance that beats and answers through NATS nodes, nodes that fail, an
 * observer that is paused. Time is simulated and everything follows from the seed. Messages that arrive in a pause are
 * handled after it, timers first: the worst order that an event loop can produce.
 */
import { Detection, type Finding } from "../detection.ts";

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface WorldPlan {
  readonly seed: number;
  readonly endMs: number;
  /** Whether the node carries messages at that time. */
  readonly carries: (node: string, at: number) => boolean;
  /** The instance beats outside of these. */
  readonly instanceDown: readonly Span[];
  /** A process that is gone is answered for with 503; a frozen one is not answered for. */
  readonly downIs: "gone" | "frozen";
  readonly observerPauses: readonly Span[];
  readonly longestDelayMs: number;
}

export interface WorldOutcome {
  readonly changes: readonly (Finding & { readonly at: number })[];
  /** When beats were handled by the observer, through whichever node. */
  readonly beatsHandledAt: readonly number[];
}

export const worldNodes = ["a", "b", "c"];
export const worldSettings = { lostAfterMs: 3_000, probeMs: 200 };
export const worldBeatMs = 250;
const echoMs = 200;
const instance = { id: "app-server-a", incarnation: "018f0000-0000-7000-8000-000000000001" };

const within = (spans: readonly Span[], at: number): Span | undefined =>
  spans.find(({ fromMs, toMs }) => fromMs <= at && at < toMs);

/** mulberry32: small, good enough, the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function runWorld(plan: WorldPlan): WorldOutcome {
  const random = randomFrom(plan.seed);
  const detection = new Detection(worldNodes, "heartbeat-monitor-a", worldSettings);
  const changes: (Finding & { at: number })[] = [];
  const beatsHandledAt: number[] = [];
  const agenda: { readonly at: number; readonly rank: number; readonly run: (at: number) => void }[] = [];

  const schedule = (at: number, rank: number, run: (at: number) => void): void => {
    const index = agenda.findLastIndex((step) => step.at < at || (step.at === at && step.rank <= rank)) + 1;
    agenda.splice(index, 0, { at, rank, run });
  };
  const delay = (): number => Math.floor(random() * plan.longestDelayMs);
  const assess = (at: number): void => {
    for (const finding of detection.assess(at, at)) changes.push({ ...finding, at });
  };
  const onTimer = (at: number, run: (at: number) => void): void =>
    schedule(within(plan.observerPauses, at)?.toMs ?? at, 0, run);
  /** A message through `node` that the observer handles; lost when the node fails on its way. */
  const arrives = (node: string, sentAt: number, run: (at: number) => void): void => {
    const at = sentAt + delay();
    if (!plan.carries(node, sentAt) || !plan.carries(node, at)) return;
    schedule(within(plan.observerPauses, at)?.toMs ?? at, 1, run);
  };

  const beatFrom = (at: number, sequence: number): void => {
    if (within(plan.instanceDown, at) === undefined) {
      for (const node of worldNodes) {
        arrives(node, at, (heardAt) => {
          beatsHandledAt.push(heardAt);
          detection.observe({ kind: "beat", instance, sequence, node, at: heardAt });
          assess(heardAt);
        });
      }
    }
    schedule(at + worldBeatMs, 1, (next) => beatFrom(next, sequence + 1));
  };
  const ask = (node: string, at: number): void => {
    if (!plan.carries(node, at)) return;
    const reachedAt = at + delay();
    const isDown = within(plan.instanceDown, reachedAt) !== undefined;
    if (isDown && plan.downIs === "frozen") return;
    arrives(node, reachedAt, (answeredAt) => {
      if (isDown) detection.observe({ kind: "refused", id: instance.id, node, probedAt: at, at: answeredAt });
      else detection.observe({ kind: "answered", instance, node, at: answeredAt });
      assess(answeredAt);
    });
  };
  const round = (at: number): void => {
    for (const node of worldNodes)
      arrives(node, at, (heardAt) => {
        detection.observe({ kind: "heard", node, at: heardAt });
        assess(heardAt);
      });
    for (const node of worldNodes) ask(node, at);
    detection.observe({ kind: "probed", id: instance.id, at });
    assess(at);
    onTimer(at + echoMs, round);
  };

  schedule(0, 1, (at) => beatFrom(at, 1));
  onTimer(0, round);
  for (let step = agenda.shift(); step !== undefined && step.at <= plan.endMs; step = agenda.shift()) step.run(step.at);
  return { changes, beatsHandledAt };
}
