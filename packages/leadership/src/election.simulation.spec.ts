import fc from "fast-check";
import { mayAct, type ElectionEvent, type ElectionSetting, type ElectionState, type Step } from "./election-state.ts";
import { electionStep } from "./election.ts";
import { isHeldBy, type SeenLease } from "./lease.ts";
import { ElectionViolation, type ElectionProperty } from "./testing/election-referee.ts";
import { faultKinds, trueRules, type ElectionRules, type Scenario } from "./testing/election-scenario.ts";
import { ElectionSimulation, type SimulationReport } from "./testing/election-simulation.ts";
import { checkTiming, standardTiming, type LeaseTiming } from "./timing.ts";

const runs = Number(process.env["UNDERSTUDY_SIMULATION_RUNS"] ?? 10_000);
const seed = Number(process.env["UNDERSTUDY_SIMULATION_SEED"] ?? Date.now() % 2 ** 31);

/** `checkTiming` says that they are safe: a store that may take long to answer, and all as short as it admits. */
const slowStoreTiming = checkTiming({
  ...standardTiming,
  swapTimeoutMs: 4_000,
  renewEveryMs: 1_000,
});
const shortTiming = checkTiming({
  ...standardTiming,
  actForMs: 9_600,
  silenceMs: 12_000,
  renewEveryMs: 1_000,
  swapTimeoutMs: 1_000,
  pauseToleranceMs: 600,
  handOverMs: 500,
});

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.nat(),
  candidates: fc.integer({ min: 2, max: 4 }),
  hints: fc.boolean(),
  timing: fc.constantFrom(standardTiming, slowStoreTiming, shortTiming),
  stormMs: fc.integer({ min: 10_000, max: 60_000 }),
  weather: fc.record({
    lost: fc.integer({ min: 0, max: 20 }),
    doubled: fc.integer({ min: 0, max: 15 }),
    late: fc.integer({ min: 0, max: 25 }),
    stale: fc.integer({ min: 0, max: 30 }),
  }),
  faults: fc.array(
    fc.record({
      kind: fc.constantFrom(...faultKinds),
      atPercent: fc.integer({ min: 0, max: 99 }),
      forMs: fc.oneof(fc.integer({ min: 100, max: 4_000 }), fc.integer({ min: 4_000, max: 30_000 })),
      target: fc.nat({ max: 11 }),
      variant: fc.nat({ max: 59 }),
    }),
    { maxLength: 12 },
  ),
});

describe("a simulated election", () => {
  it("keeps every property in every storm, and a leader emerges after each", () => {
    const total = new Map<keyof SimulationReport, number>();
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const report = new ElectionSimulation(scenario).run();
        for (const [key, value] of Object.entries(report) as [keyof SimulationReport, number][]) {
          total.set(key, (total.get(key) ?? 0) + value);
        }
      }),
      { numRuns: runs, seed },
    );
    process.stdout.write(
      `election simulation: seed ${seed}, ${runs} runs, ${JSON.stringify(Object.fromEntries(total))}\n`,
    );
    // A storm that did nothing proves nothing.
    expect(total.get("termsGained")).toBeGreaterThan(2 * runs);
    expect(total.get("faultsInEffect")).toBeGreaterThan(2 * runs);
    expect(total.get("overlaps")).toBeGreaterThan(runs / 100);
    expect(total.get("zombies")).toBeGreaterThan(runs / 100);
    expect(total.get("effectsRefused")).toBeGreaterThan(runs / 100);
  }, 600_000);
});

/** A candidate that was wrongly coded. Each must be caught by one of the named properties. */
interface PlantedBug {
  readonly bug: string;
  readonly caughtBy: readonly ElectionProperty[];
  readonly rules: Partial<ElectionRules>;
}

type StateChange = (state: ElectionState, event: ElectionEvent, setting: ElectionSetting) => ElectionState;
const before = (change: StateChange): Partial<ElectionRules> => ({
  step: (state, event, setting) => electionStep(change(state, event, setting), event, setting),
});
const afterwards = (change: StateChange): Partial<ElectionRules> => ({
  step: (state, event, setting) => {
    const { state: next, actions } = electionStep(state, event, setting);
    return { state: change(next, event, setting), actions };
  },
});
const instead = (
  change: (...parameters: Parameters<typeof electionStep>) => Step | undefined,
): Partial<ElectionRules> => ({
  step: (...parameters) => change(...parameters) ?? electionStep(...parameters),
});
const otherEvent = (change: (state: ElectionState, event: ElectionEvent) => ElectionEvent): Partial<ElectionRules> => ({
  step: (state, event, setting) => electionStep(state, change(state, event), setting),
});

const timed = (wrong: Partial<LeaseTiming>): Partial<ElectionRules> => ({
  step: (state, event, setting) => electionStep(state, event, { ...setting, timing: { ...setting.timing, ...wrong } }),
});

const leading = (held: SeenLease, { now, timing }: ElectionSetting): Step => ({
  state: {
    kind: "leading",
    held,
    actsUntil: now + timing.actForMs,
    renewedAt: now,
    renewal: undefined,
    wish: undefined,
    lastTickAt: now,
    suspendedAt: undefined,
  },
  actions: [{ kind: "lead", held, evidence: [], predecessor: undefined }],
});

const plantedBugs: readonly PlantedBug[] = [
  {
    bug: "leads on a lease of its own that it only observed",
    caughtBy: ["a", "b", "c"],
    rules: instead((state, event, setting) =>
      state.kind === "following" && event.kind === "observed" && isHeldBy(event.seen, setting.me)
        ? leading(event.seen as SeenLease, setting)
        : undefined,
    ),
  },
  {
    bug: "takes the lease on a hint, without a swap",
    caughtBy: ["a"],
    rules: instead((state, event, setting) => {
      if (state.kind !== "following" || state.seen === undefined || event.kind !== "hint") return undefined;
      const { lease, revision } = state.seen;
      const { id, incarnation, machine } = setting.me;
      return leading(
        { lease: { ...lease, term: lease.term + 1, holder: { id, incarnation, machine } }, revision },
        setting,
      );
    }),
  },
  {
    bug: "takes a refused swap for a won one",
    caughtBy: ["a"],
    rules: otherEvent((state, event) =>
      event.kind === "swap-refused" && state.kind === "acquiring"
        ? { kind: "swapped", swap: event.swap, revision: (state.seen?.revision ?? 0) + 1 }
        : event,
    ),
  },
  {
    bug: "takes a swap without an answer for a won one",
    caughtBy: ["a"],
    rules: otherEvent((state, event) =>
      event.kind === "swap-unknown" && state.kind === "acquiring"
        ? { kind: "swapped", swap: event.swap, revision: (state.seen?.revision ?? 0) + 1 }
        : event,
    ),
  },
  {
    bug: "keeps the term at a take-over",
    caughtBy: ["a"],
    rules: instead((state, event, setting) => {
      const { state: next } = electionStep(state, event, setting);
      if (state.kind !== "following" || state.seen === undefined || next.kind !== "acquiring") return undefined;
      const lease = { ...next.swap.lease, term: state.seen.lease.term };
      return {
        state: { ...next, swap: { ...next.swap, lease } },
        actions: [{ kind: "swap", id: next.swap.id, expectedRevision: state.seen.revision, lease }],
      };
    }),
  },
  {
    bug: "counts its time to act from the answer of the swap",
    caughtBy: ["b"],
    rules: afterwards((state, event, { now, timing }) =>
      state.kind === "leading" && event.kind === "swapped" ? { ...state, actsUntil: now + timing.actForMs } : state,
    ),
  },
  {
    bug: "counts its time to act anew when it observes its own renewal",
    caughtBy: ["b"],
    rules: afterwards((state, event, { now, timing }) =>
      state.kind === "leading" && event.kind === "observed" && event.seen?.revision === state.held.revision
        ? { ...state, actsUntil: now + timing.actForMs }
        : state,
    ),
  },
  {
    bug: "acts for ever once it leads",
    caughtBy: ["b"],
    rules: afterwards((state) => (state.kind === "leading" ? { ...state, actsUntil: Infinity } : state)),
  },
  {
    bug: "waits shorter for silence than a leader acts",
    caughtBy: ["b"],
    rules: timed({ silenceMs: 9_000 }),
  },
  {
    bug: "acts while it gives the lease away",
    caughtBy: ["b", "c"],
    rules: { mayAct: (state, now, timing) => state.kind === "releasing" || mayAct(state, now, timing) },
  },
  {
    bug: "acts after a pause before it renewed",
    caughtBy: ["c"],
    rules: {
      mayAct: (state, now, timing) =>
        mayAct(state.kind === "leading" ? { ...state, suspendedAt: undefined } : state, now, timing),
    },
  },
  {
    bug: "notices a pause at its next tick only",
    caughtBy: ["c"],
    rules: {
      mayAct: (state, now, timing) =>
        mayAct(state.kind === "leading" ? { ...state, lastTickAt: now } : state, now, timing),
    },
  },
  {
    bug: "takes a renewal begun before the pause for a proof",
    caughtBy: ["c"],
    rules: before((state, event) =>
      state.kind === "leading" && event.kind === "swapped" ? { ...state, suspendedAt: undefined } : state,
    ),
  },
  {
    bug: "leads on a swap whose answer it slept through",
    caughtBy: ["c"],
    rules: before((state, event, { now }) =>
      state.kind === "acquiring" && event.kind === "swapped" ? { ...state, lastTickAt: now } : state,
    ),
  },
  {
    bug: "begins to lead although it was shown its successor",
    caughtBy: ["c"],
    rules: before((state, event) =>
      state.kind === "acquiring" && event.kind === "swapped" ? { ...state, seen: undefined } : state,
    ),
  },
  {
    bug: "goes on leading although it was shown its successor",
    caughtBy: ["c"],
    rules: instead((state, event) =>
      state.kind === "leading" && event.kind === "observed" ? { state, actions: [] } : undefined,
    ),
  },
  { bug: "receivers do not compare terms", caughtBy: ["d"], rules: { isFenced: false } },
  {
    bug: "waits for ever however long the silence",
    caughtBy: ["e"],
    rules: timed({ silenceMs: 3_600_000 }),
  },
  {
    bug: "does not renew in time",
    caughtBy: ["e"],
    rules: timed({ renewEveryMs: 20_000 }),
  },
  {
    bug: "goes on waiting for a read that has been answered",
    caughtBy: ["e", "f"],
    rules: instead((state, event) =>
      state.kind === "following" && state.reading && event.kind === "observed" && state.seen !== undefined
        ? { state, actions: [] }
        : undefined,
    ),
  },
  {
    bug: "takes a released lease that is meant for another",
    caughtBy: ["f"],
    rules: otherEvent((_, event) => {
      if (event.kind !== "observed" || event.seen === undefined) return event;
      const { handTo: _handTo, ...lease } = event.seen.lease;
      return { kind: "observed", seen: { ...event.seen, lease } };
    }),
  },
  {
    bug: "forgets whom the lease is meant for when it must try again",
    caughtBy: ["f"],
    rules: afterwards((state) => (state.kind === "releasing" ? { ...state, to: undefined } : state)),
  },
  {
    bug: "unsees the lease when a read finds none",
    caughtBy: ["g"],
    rules: afterwards((state, event) =>
      state.kind === "following" && event.kind === "observed" && event.seen === undefined
        ? { ...state, seen: undefined }
        : state,
    ),
  },
];

describe("the simulation", () => {
  it.each(plantedBugs)(
    "catches a candidate that $bug",
    ({ rules, caughtBy }) => {
      const run = (scenario: Scenario) => {
        new ElectionSimulation(scenario, { ...trueRules, ...rules }).run();
      };
      const { failed, errorInstance } = fc.check(fc.property(scenarios, run), {
        numRuns: 5_000,
        seed: 1,
        endOnFailure: true,
      });
      expect(failed).toBe(true);
      expect(errorInstance).toBeInstanceOf(ElectionViolation);
      expect(caughtBy).toContain((errorInstance as ElectionViolation).property);
    },
    120_000,
  );
});
