import fc from "fast-check";
import {
  runWorld,
  worldBeatMs,
  worldNodes,
  worldSettings,
  type Span,
  type WorldPlan,
} from "./testing/observed-world.ts";

const endMs = 20_000;
const runs = 100;
// A run takes 2 ms; on a starved machine many times that.
const withinMs = 60_000;

const span = (longestMs: number) =>
  fc
    .record({ fromMs: fc.integer({ min: 0, max: endMs }), lengthMs: fc.integer({ min: 1, max: longestMs }) })
    .map(({ fromMs, lengthMs }): Span => ({ fromMs, toMs: fromMs + lengthMs }));

/** Spans that do not overlap. */
const spans = (longestMs: number, most: number) =>
  fc.array(span(longestMs), { maxLength: most }).map((all) => {
    const kept: Span[] = [];
    for (const next of all.toSorted((one, other) => one.fromMs - other.fromMs))
      if (next.fromMs > (kept.at(-1)?.toMs ?? -1)) kept.push(next);
    return kept;
  });

const slotMs = 700;
const slots = Math.ceil((2 * endMs) / slotMs);
/** In each slot of time a set of nodes that carry, never an empty one; frequent changes, any combination. */
const someNodesCarry = fc.array(fc.subarray(worldNodes, { minLength: 1 }), { minLength: slots, maxLength: slots }).map(
  (carrying): WorldPlan["carries"] =>
    (node, at) =>
      carrying[Math.floor(at / slotMs)]!.includes(node),
);

const oneNodeFails = fc.record({ failing: fc.constantFrom(...worldNodes), when: spans(8_000, 4) }).map(
  ({ failing, when }): WorldPlan["carries"] =>
    (node, at) =>
      node !== failing || !when.some(({ fromMs, toMs }) => fromMs <= at && at < toMs),
);

const world = (changes: Partial<{ [Key in keyof WorldPlan]: fc.Arbitrary<WorldPlan[Key]> }>) =>
  fc.record<WorldPlan>({
    seed: fc.integer(),
    endMs: fc.constant(endMs),
    carries: fc.constant(() => true),
    instanceDown: fc.constant([]),
    downIs: fc.constantFrom("gone" as const, "frozen" as const),
    observerPauses: fc.constant([]),
    longestDelayMs: fc.constantFrom(5, 50, 200),
    ...changes,
  });

describe("the detector in a simulated world", () => {
  it(
    "never finds an instance silent whose beats come through any node that it hears",
    () => {
      fc.assert(
        fc.property(world({ carries: someNodesCarry, observerPauses: spans(6_000, 6) }), (plan) => {
          expect(runWorld(plan).changes.map(({ verdict }) => verdict)).not.toContain("silent");
        }),
        { numRuns: runs },
      );
    },
    withinMs,
  );

  it(
    "never even suspects a healthy instance because one node fails, with whatever pauses of its own",
    () => {
      fc.assert(
        fc.property(
          world({ carries: oneNodeFails, observerPauses: spans(6_000, 6), longestDelayMs: fc.constantFrom(5, 50) }),
          (plan) => {
            expect(runWorld(plan).changes.map(({ verdict }) => verdict)).toEqual(["alive"]);
          },
        ),
        { numRuns: runs },
      );
    },
    withinMs,
  );

  it(
    "finds silence only after lostAfterMs without any beat, whatever fails",
    () => {
      fc.assert(
        fc.property(
          world({ carries: someNodesCarry, instanceDown: spans(12_000, 3), observerPauses: spans(3_000, 4) }),
          (plan) => {
            const { changes, beatsHandledAt } = runWorld(plan);
            for (const { verdict, at, silentMs } of changes) {
              if (verdict !== "silent") continue;
              // A late copy of an old beat may be handled in that time; it is no sign of life.
              const fresh = at - worldSettings.lostAfterMs + plan.longestDelayMs;
              expect(silentMs).toBeGreaterThanOrEqual(worldSettings.lostAfterMs);
              expect(beatsHandledAt.filter((beatAt) => beatAt > fresh && beatAt < at)).toEqual([]);
            }
          },
        ),
        { numRuns: runs },
      );
    },
    withinMs,
  );

  it(
    "always finds a stopped instance silent in time while two nodes carry and it is not paused",
    () => {
      const stop = fc.integer({ min: 2_000, max: 10_000 }).map((fromMs) => [{ fromMs, toMs: 3 * endMs }]);
      fc.assert(
        fc.property(world({ carries: oneNodeFails, instanceDown: stop }), (plan) => {
          const { changes } = runWorld(plan);
          const stoppedAt = plan.instanceDown[0]!.fromMs;
          const found = changes.find(({ verdict }) => verdict === "silent");
          // A late answer may interrupt the suspicion; nothing interrupts the silence.
          expect(changes.at(-1)).toBe(found);
          expect(found!.at).toBeLessThanOrEqual(stoppedAt + worldSettings.lostAfterMs + 600 + 2 * plan.longestDelayMs);
        }),
        { numRuns: runs },
      );
    },
    withinMs,
  );

  it(
    "suspects a process that is gone within two rounds of probes",
    () => {
      const stop = fc.integer({ min: 2_000, max: 10_000 }).map((fromMs) => [{ fromMs, toMs: 3 * endMs }]);
      fc.assert(
        fc.property(
          world({ instanceDown: stop, downIs: fc.constant("gone" as const), longestDelayMs: fc.constantFrom(5, 50) }),
          (plan) => {
            const suspected = runWorld(plan).changes.find(({ verdict }) => verdict === "suspect")!;
            expect(suspected.evidence.map(({ kind }) => kind)).toEqual(["no-responders"]);
            expect(suspected.at - plan.instanceDown[0]!.fromMs).toBeLessThanOrEqual(
              2 * worldSettings.probeMs + 3 * plan.longestDelayMs,
            );
          },
        ),
        { numRuns: runs },
      );
    },
    withinMs,
  );

  it(
    "is back to alive with the first beats of an instance that was thawed",
    () => {
      const freeze = fc
        .record({ fromMs: fc.integer({ min: 2_000, max: 6_000 }), lengthMs: fc.integer({ min: 4_500, max: 8_000 }) })
        .map(({ fromMs, lengthMs }) => [{ fromMs, toMs: fromMs + lengthMs }]);
      fc.assert(
        fc.property(
          world({ carries: oneNodeFails, instanceDown: freeze, downIs: fc.constant("frozen" as const) }),
          (plan) => {
            const { changes } = runWorld(plan);
            expect(changes.map(({ verdict }) => verdict)).toEqual(["alive", "suspect", "silent", "alive"]);
            expect(changes.at(-1)!.at - plan.instanceDown[0]!.toMs).toBeLessThanOrEqual(
              2 * worldBeatMs + 2 * plan.longestDelayMs,
            );
          },
        ),
        { numRuns: runs },
      );
    },
    withinMs,
  );
});
