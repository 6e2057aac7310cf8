import fc from "fast-check";
import { choosePrimary, type AskedHost, type HostAnswer, type Seen, type ServerFacts } from "./choose-primary.ts";
import type { Host } from "./host-list.ts";

const host = (id: string): Host => ({ id, host: id, port: 5432, config: {} });
const facts = (part: Partial<ServerFacts>): HostAnswer => ({
  type: "facts",
  facts: { isStandby: false, timeline: 1, system: "7", startedAt: "noon", ...part },
});
const nothingSeen: Seen = { timeline: 0, system: undefined };
const ask = (...answers: HostAnswer[]): AskedHost[] =>
  answers.map((answer, index) => ({ host: host(`host-${index}`), answer }));
const refused: HostAnswer = { type: "failed", kind: "lost", reason: "refused", error: new Error("refused") };

describe("the primary is", () => {
  it("the host that is no standby", () => {
    expect(choosePrimary(ask(facts({ isStandby: true }), facts({})), nothingSeen)).toMatchObject({
      type: "primary",
      host: { id: "host-1" },
    });
  });

  it("the one of the higher timeline, when a zombie claims to be it too", () => {
    const asked = ask(facts({ timeline: 3, startedAt: "one" }), facts({ timeline: 4, startedAt: "two" }));
    expect(choosePrimary(asked, nothingSeen)).toMatchObject({ type: "primary", host: { id: "host-1" } });
  });

  it("found once, though two addresses lead to it", () => {
    expect(choosePrimary(ask(facts({}), facts({})), nothingSeen)).toMatchObject({ type: "primary" });
  });

  it("nobody, when two servers claim the same timeline", () => {
    const choice = choosePrimary(ask(facts({ startedAt: "one" }), facts({ startedAt: "two" })), nothingSeen);
    expect(choice).toMatchObject({ type: "none", told: undefined });
    expect(JSON.stringify(choice)).toContain("claims timeline 1 too");
  });

  it("never a zombie alone", () => {
    const choice = choosePrimary(ask(facts({ timeline: 1 }), refused), { timeline: 2, system: "7" });
    expect(choice).toMatchObject({ type: "none", told: undefined });
    expect(JSON.stringify(choice)).toContain("was replaced by 2");
  });
});

describe("told at once is", () => {
  it("a wrong password", () => {
    const error = new Error("password authentication failed");
    const choice = choosePrimary(ask({ type: "failed", kind: "told", reason: "", error }, refused), nothingSeen);
    expect(choice).toMatchObject({ type: "none", told: error });
  });

  it("that all hosts are strangers", () => {
    const choice = choosePrimary(ask(facts({ system: "8" })), { timeline: 0, system: "7" });
    expect(choice).toMatchObject({ type: "none" });
    expect(String(choice.type === "none" ? choice.told : "")).toContain("No host belongs to system 7");
  });

  it("nothing while hosts are merely away", () => {
    expect(choosePrimary(ask(refused, { type: "silent" }), nothingSeen)).toMatchObject({ told: undefined });
  });
});

it("no answers make a zombie, a stranger, a standby or a disputed server the primary", () => {
  const answer = fc.oneof(
    fc.constant(refused),
    fc.constant<HostAnswer>({ type: "silent" }),
    fc.record({
      type: fc.constant("facts" as const),
      facts: fc.record({
        isStandby: fc.boolean(),
        timeline: fc.integer({ min: 1, max: 4 }),
        system: fc.constantFrom("7", "8"),
        startedAt: fc.constantFrom("one", "two", "three"),
      }),
    }),
  );
  const seenBefore = fc.record({
    timeline: fc.integer({ min: 0, max: 4 }),
    system: fc.constantFrom("7", undefined),
  });
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 5 }), seenBefore, (answers, seen) => {
      const choice = choosePrimary(ask(...answers), seen);
      if (choice.type === "none") return;
      const chosen = choice.facts;
      expect(chosen.isStandby).toBe(false);
      expect(chosen.timeline).toBeGreaterThanOrEqual(seen.timeline);
      if (seen.system !== undefined) expect(chosen.system).toBe(seen.system);
      for (const other of answers) {
        if (other.type !== "facts" || other.facts.isStandby || other.facts.system !== chosen.system) continue;
        expect(other.facts.timeline).toBeLessThanOrEqual(chosen.timeline);
        if (other.facts.timeline === chosen.timeline) expect(other.facts.startedAt).toBe(chosen.startedAt);
      }
    }),
    { numRuns: 2_000 },
  );
});
