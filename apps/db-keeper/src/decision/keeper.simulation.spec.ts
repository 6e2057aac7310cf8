import fc from "fast-check";
import { faultKinds, KeeperSimulation, type Scenario, type SimulationReport } from "../testing/keeper-simulation.ts";

const runs = Number(process.env["UNDERSTUDY_SIMULATION_RUNS"] ?? 10_000);
const seed = Number(process.env["UNDERSTUDY_SIMULATION_SEED"] ?? Date.now() % 2 ** 31);

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  seed: fc.nat(),
  members: fc.integer({ min: 2, max: 3 }),
  policy: fc.constantFrom("available", "available", "strict"),
  stormMs: fc.integer({ min: 8_000, max: 30_000 }),
  lostPercent: fc.integer({ min: 0, max: 15 }),
  doubledPercent: fc.integer({ min: 0, max: 15 }),
  latePercent: fc.integer({ min: 0, max: 20 }),
  faults: fc.array(
    fc.record({
      kind: fc.constantFrom(...faultKinds),
      atPercent: fc.integer({ min: 5, max: 99 }),
      forMs: fc.oneof(fc.integer({ min: 50, max: 3_000 }), fc.integer({ min: 3_000, max: 20_000 })),
      target: fc.nat({ max: 11 }),
    }),
    { maxLength: 10 },
  ),
});

describe("a simulated database", () => {
  it("keeps every property in every storm, and is whole after each", () => {
    const total = new Map<keyof SimulationReport, number>();
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const report = new KeeperSimulation(scenario).run();
        for (const [key, value] of Object.entries(report) as [keyof SimulationReport, number][])
          total.set(key, (total.get(key) ?? 0) + value);
      }),
      { numRuns: runs, seed, endOnFailure: true },
    );
    process.stdout.write(
      `keeper simulation: seed ${seed}, ${runs} runs, ${JSON.stringify(Object.fromEntries(total))}\n`,
    );
    // A storm that did nothing proves nothing.
    expect(total.get("acknowledged")).toBeGreaterThan(100 * runs);
    expect(total.get("promotions")).toBeGreaterThan(runs / 4);
    expect(total.get("clones")).toBeGreaterThan(runs / 4);
    expect(total.get("fenced")).toBeGreaterThan(runs / 20);
  }, 900_000);
});
