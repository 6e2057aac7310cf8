import { Detection, forgetAfterMs, type Fact, type Finding } from "./detection.ts";

const first = { id: "app-server-a", incarnation: "018f0000-0000-7000-8000-000000000001" };
const second = { id: "app-server-a", incarnation: "018f0000-0000-7000-8000-000000000002" };
const nodes = ["a", "b", "c"];

/** A detector that hears echoes through `nodes` every 200 ms and asks each time. */
class Bench {
  readonly detection = new Detection(nodes, "heartbeat-monitor-a", { lostAfterMs: 3_000, probeMs: 200 });
  now = 0;
  readonly changes: Finding[] = [];

  observe(...facts: readonly Fact[]): void {
    for (const fact of facts) this.detection.observe(fact);
    this.assess();
  }

  assess(): void {
    this.changes.push(...this.detection.assess(this.now, 1_000_000 + this.now));
  }

  /** Time passes in which nothing of the instance is heard; `through` tells which nodes echo. */
  pass(ms: number, through: readonly string[] = nodes): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 200;
      for (const node of through) this.detection.observe({ kind: "heard", node, at: this.now });
      this.detection.observe({ kind: "probed", id: first.id, at: this.now });
      this.assess();
    }
  }

  beat(instance: typeof first, sequence: number, node = "a"): void {
    this.observe({ kind: "beat", instance, sequence, node, at: this.now });
  }

  refuse(node: string, probedAt = this.now): void {
    this.observe({ kind: "refused", id: first.id, node, probedAt, at: this.now });
  }

  get verdicts(): readonly string[] {
    return this.changes.map(({ verdict }) => verdict);
  }
}

const settled = (): Bench => {
  const bench = new Bench();
  bench.pass(1_000);
  bench.beat(first, 1);
  return bench;
};

describe("detection", () => {
  it("reports a new instance as alive", () => {
    expect(settled().changes).toEqual([{ instance: first, verdict: "alive", silentMs: 0, evidence: [] }]);
  });

  it("suspects at once when a quorum of the nodes answers 503, with the evidence", () => {
    const bench = settled();
    bench.now += 50;
    bench.refuse("a");
    expect(bench.verdicts).toEqual(["alive"]);
    bench.refuse("b");
    expect(bench.verdicts).toEqual(["alive", "suspect"]);
    expect(bench.changes.at(-1)!.evidence).toEqual([
      {
        kind: "no-responders",
        at: 1_000_000 + bench.now,
        observer: "heartbeat-monitor-a",
        detail: "503 from a, b; 50 ms after the last sign of life",
      },
    ]);
  });

  it("does not suspect when one node answers 503 again and again: it may be cut off from the others", () => {
    const bench = settled();
    for (let round = 0; round < 5; round++) bench.refuse("a");
    expect(bench.verdicts).toEqual(["alive"]);
  });

  it("ignores a 503 to a probe that was sent before the last sign of life", () => {
    const bench = settled();
    bench.refuse("a", bench.now - 1);
    bench.refuse("b", bench.now - 1);
    expect(bench.verdicts).toEqual(["alive"]);
  });

  it("ends a suspicion by 503 on the first sign of life", () => {
    const bench = settled();
    bench.refuse("a");
    bench.refuse("b");
    bench.pass(200);
    bench.beat(first, 2);
    bench.pass(200);
    expect(bench.verdicts).toEqual(["alive", "suspect", "alive"]);
  });

  it("suspects on unanswered probes, then finds silence after lostAfterMs, keeping both as evidence", () => {
    const bench = settled();
    bench.pass(800);
    expect(bench.verdicts).toEqual(["alive", "suspect"]);
    bench.pass(2_000);
    expect(bench.verdicts).toEqual(["alive", "suspect"]);
    bench.pass(600);
    expect(bench.verdicts).toEqual(["alive", "suspect", "silent"]);
    expect(bench.changes.at(-1)!.evidence.map(({ kind }) => kind)).toEqual(["unanswered-probes", "silence"]);
    expect(bench.changes.at(-1)!.silentMs).toBeGreaterThanOrEqual(3_000);
  });

  it("is alive again on the next beat, and keeps the evidence until the next suspicion", () => {
    const bench = settled();
    bench.pass(4_000);
    bench.beat(first, 2);
    expect(bench.verdicts).toEqual(["alive", "suspect", "silent", "alive"]);
    expect(bench.changes.at(-1)!.evidence).toHaveLength(2);
    bench.pass(800);
    expect(bench.changes.at(-1)!.evidence.map(({ kind }) => kind)).toEqual(["unanswered-probes"]);
  });

  it("takes an answered probe as a sign of life where beats fail to come", () => {
    const bench = settled();
    for (let round = 0; round < 30; round++) {
      bench.pass(200);
      bench.observe({ kind: "answered", instance: first, node: "b", at: bench.now });
    }
    expect(bench.verdicts).toEqual(["alive"]);
  });

  it.each([
    ["a copy through another node", 1],
    ["a late beat", 0],
  ])("takes %s for no sign of life", (_what, sequence) => {
    const bench = settled();
    for (let round = 0; round < 20; round++) {
      bench.pass(200);
      bench.beat(first, sequence, "b");
    }
    expect(bench.verdicts).toEqual(["alive", "suspect", "silent"]);
  });

  it("lets a newer incarnation replace a silent one, and ignores the older one from then on", () => {
    const bench = settled();
    bench.pass(4_000);
    bench.beat(second, 1);
    expect(bench.changes.at(-1)).toMatchObject({ instance: second, verdict: "alive" });
    for (let round = 2; round < 40; round++) {
      bench.pass(200);
      bench.beat(first, round * 10);
      bench.observe({ kind: "answered", instance: first, node: "a", at: bench.now });
    }
    expect(bench.changes.at(-1)).toMatchObject({ instance: second, verdict: "silent" });
  });

  it("finds nobody silent while it hears fewer than half of the nodes", () => {
    const bench = settled();
    bench.pass(20_000, ["b"]);
    expect(bench.verdicts).toEqual(["alive"]);
    bench.pass(1_400);
    expect(bench.verdicts).toEqual(["alive", "suspect"]);
  });

  it("finds a silent instance as fast with one node lost", () => {
    const bench = settled();
    bench.pass(3_200, ["a", "c"]);
    expect(bench.verdicts).toEqual(["alive", "suspect", "silent"]);
  });

  it("finds nobody silent after its own pause, however long it was", () => {
    const bench = settled();
    bench.now += 60_000;
    bench.assess();
    bench.pass(400);
    expect(bench.verdicts).toEqual(["alive"]);
  });

  it("finds an expected instance silent that was never heard", () => {
    const bench = new Bench();
    bench.pass(1_000);
    bench.observe({ kind: "expected", instance: first, at: bench.now });
    bench.pass(3_400);
    expect(bench.verdicts).toEqual(["alive", "suspect", "silent"]);
  });

  it("follows changed settings", () => {
    const bench = settled();
    bench.detection.configure({ lostAfterMs: 10_000, probeMs: 200 });
    bench.pass(9_000);
    expect(bench.verdicts).toEqual(["alive", "suspect"]);
    bench.pass(1_400);
    expect(bench.verdicts).toEqual(["alive", "suspect", "silent"]);
  });

  it("forgets an instance after ten minutes of silence", () => {
    const bench = settled();
    bench.pass(forgetAfterMs);
    expect(bench.detection.ids).toEqual([first.id]);
    bench.pass(1_000);
    expect(bench.detection.ids).toEqual([]);
    expect(bench.verdicts).toEqual(["alive", "suspect", "silent"]);
  });
});
