import fc from "fast-check";
import {
  admission,
  describe as describeStanding,
  exitCodeWhenCutOff,
  firstStanding,
  needsAnswer,
  step,
  type Limits,
  type Standing,
  type StandingEvent,
} from "./standing.ts";

const limits: Limits = { contactLostMs: 1_500, cutOffAfterMs: 30_000, confirmMs: 2_000 };
const one = "incarnation-1";
const two = "incarnation-2";

/** Applies timed events in order, from the start at time 0. */
const after = (...history: (readonly [number, StandingEvent])[]): Standing =>
  history.reduce((now, [atMs, event]) => step(now, event, atMs, limits), firstStanding(one, 0));

const accepted = (askedAtMs: number, incarnation = one): StandingEvent => ({
  type: "accepted",
  incarnation,
  askedAtMs,
});
const refused = (askedAtMs: number, final: boolean): StandingEvent => ({
  type: "refused",
  incarnation: one,
  askedAtMs,
  because: "refused (not-allowed): no",
  final,
});
const prepared: StandingEvent = { type: "prepared", incarnation: one };
const lost: StandingEvent = { type: "lost", incarnation: one, reason: "silence" };
const [contact, followed, unconfirmed, thawed, stop, tick] = (
  ["contact", "followed", "unconfirmed", "thawed", "stop", "tick"] as const
).map((type): StandingEvent => ({ type })) as [
  StandingEvent,
  StandingEvent,
  StandingEvent,
  StandingEvent,
  StandingEvent,
  StandingEvent,
];
const drain: StandingEvent = { type: "intake", intake: "draining" };
const resume: StandingEvent = { type: "intake", intake: "accepting" };
const serving = [
  [10, accepted(5)],
  [20, prepared],
] as const;
const cutOff = [...serving, [1_600, tick]] as const;

describe("step", () => {
  it.each<[string, Standing, Partial<Standing> & { kind: Standing["kind"] }]>([
    ["waits at the start", after(), { kind: "waiting", incarnation: one }],
    ["prepares once accepted", after([10, accepted(5)]), { kind: "preparing", contactMs: 10, confirmed: true }],
    ["serves once prepared", after(...serving), { kind: "serving" }],
    ["does not serve when prepared before it is accepted", after([10, prepared]), { kind: "waiting" }],
    ["passes over the acceptance of another incarnation", after([10, accepted(5, two)]), { kind: "waiting" }],
    [
      "says why it still waits",
      after([10, refused(5, true)]),
      { kind: "waiting", because: "refused (not-allowed): no" },
    ],
    ["serves on when contact was lost for a moment", after(...serving, [1_500, tick]), { kind: "serving" }],
    ["is cut off after 1.5 s without contact", after(...cutOff), { kind: "cut-off" }],
    [
      "serves again when contact is back, and asks",
      after(...cutOff, [2_000, contact]),
      { kind: "serving", confirmed: false },
    ],
    [
      "asks after a cut even when a leader introduced itself",
      after(...cutOff, [2_000, followed]),
      { kind: "serving", confirmed: false },
    ],
    [
      "ends itself when cut off for good",
      after(...cutOff, [30_010, tick]),
      { kind: "ending", exitCode: exitCodeWhenCutOff },
    ],
    ["does not end a millisecond earlier", after(...cutOff, [30_009, tick]), { kind: "cut-off" }],
    ["asks a leader that may not know it", after(...serving, [30, unconfirmed]), { kind: "serving", confirmed: false }],
    [
      "need not ask a leader that introduced itself",
      after(...serving, [30, unconfirmed], [40, followed]),
      { kind: "serving", confirmed: true },
    ],
    ["stops serving when refused for good", after(...serving, [50, refused(40, true)]), { kind: "waiting" }],
    [
      "serves on when the message server cannot decide yet",
      after(...serving, [50, refused(40, false)]),
      { kind: "serving", contactMs: 50, confirmed: false },
    ],
    [
      "counts an undecided answer as contact",
      after(...cutOff, [1_700, refused(1_650, false)]),
      { kind: "serving", confirmed: false },
    ],
    ["drains by command", after(...serving, [30, drain]), { kind: "draining", by: "command", takes: true }],
    [
      "takes nothing more once balancers know",
      after(...serving, [30, drain], [1_030, { type: "intake-over" }]),
      { kind: "draining", takes: false },
    ],
    ["resumes by command", after(...serving, [30, drain], [40, resume]), { kind: "serving" }],
    [
      "drains at once where the command came while it prepared",
      after([10, accepted(5)], [15, drain], [20, prepared]),
      { kind: "draining", by: "command" },
    ],
    [
      "a drained server that is cut off for good ends too",
      after(...serving, [30, drain], [30_030, tick]),
      { kind: "ending", exitCode: exitCodeWhenCutOff },
    ],
    ["drains when it is stopped", after(...serving, [30, stop]), { kind: "draining", by: "stop", takes: true }],
    ["a stop is not taken back", after(...serving, [30, stop], [40, resume]), { kind: "draining", by: "stop" }],
    [
      "a stop is not overtaken by a cut",
      after(...serving, [30, stop], [60_000, tick]),
      { kind: "draining", by: "stop" },
    ],
    ["ends at once when stopped before it served", after([10, stop]), { kind: "ending", exitCode: 0 }],
    ["drops what it has when declared lost", after(...serving, [30, lost]), { kind: "dropped", incarnation: one }],
    [
      "passes over the verdict on another incarnation",
      after(...serving, [30, { type: "lost", incarnation: two, reason: "silence" }]),
      { kind: "serving" },
    ],
    ["declared lost while it stops, ends", after(...serving, [30, stop], [40, lost]), { kind: "ending", exitCode: 0 }],
    [
      "waits anew with a new incarnation",
      after(...serving, [30, lost], [40, { type: "renewed", incarnation: two }]),
      { kind: "waiting", incarnation: two },
    ],
    [
      "never takes the lost incarnation again",
      after(...serving, [30, lost], [40, { type: "renewed", incarnation: one }]),
      { kind: "dropped" },
    ],
    ["declared lost before it served, takes a new incarnation as well", after([10, lost]), { kind: "dropped" }],
    [
      "asks after a pause before it serves on",
      after(...serving, [9_000, thawed]),
      { kind: "confirming", sinceMs: 9_000 },
    ],
    ["serves on when confirmed", after(...serving, [9_000, thawed], [9_050, accepted(9_001)]), { kind: "serving" }],
    [
      "an answer from before the pause confirms nothing",
      after(...serving, [9_000, thawed], [9_050, accepted(8_999)]),
      { kind: "confirming" },
    ],
    [
      "a beat after the pause confirms nothing",
      after(...serving, [9_000, thawed], [9_050, contact]),
      { kind: "confirming", contactMs: 10 },
    ],
    ["declared lost during the pause, drops", after(...serving, [9_000, thawed], [9_050, lost]), { kind: "dropped" }],
    [
      "with nobody to ask after a pause it is cut off",
      after(...serving, [9_000, thawed], [11_000, tick]),
      { kind: "cut-off" },
    ],
    [
      "the time of a pause counts as cut off when nobody can be asked",
      after(...serving, [31_000, thawed], [33_000, tick]),
      { kind: "ending", exitCode: exitCodeWhenCutOff },
    ],
    [
      "a long pause does not end it before it has asked",
      after(...serving, [90_000, thawed], [90_050, tick]),
      { kind: "confirming" },
    ],
    [
      "a drained server drains on after a pause",
      after(...serving, [30, drain], [9_000, thawed], [9_050, accepted(9_001)]),
      { kind: "draining", by: "command" },
    ],
    [
      "paused before it served, starts over",
      after([10, accepted(5)], [9_000, thawed]),
      { kind: "waiting", sinceMs: 9_000 },
    ],
    [
      "an acceptance from before the pause is passed over",
      after([9_000, thawed], [9_001, accepted(5)]),
      { kind: "waiting" },
    ],
    [
      "stopped before a pause was cleared, takes nothing",
      after(...serving, [9_000, thawed], [9_010, stop]),
      { kind: "ending", exitCode: 0 },
    ],
  ])("%s", (_claim, standing, expected) => {
    expect(standing).toMatchObject(expected);
  });

  it("keeps the very object when nothing changes", () => {
    const standing = after(...serving);
    expect(step(standing, tick, 100, limits)).toBe(standing);
  });
});

describe("admission and needsAnswer", () => {
  it.each<[Standing, "take" | "hold" | "refuse", boolean]>([
    [after(), "refuse", true],
    [after([10, accepted(5)]), "refuse", false],
    [after(...serving), "take", false],
    [after(...serving, [30, unconfirmed]), "take", true],
    [after(...cutOff), "take", false],
    [after(...serving, [30, drain]), "take", false],
    [after(...serving, [30, drain], [40, { type: "intake-over" }]), "refuse", false],
    [after(...serving, [9_000, thawed]), "hold", true],
    [after(...serving, [30, lost]), "refuse", false],
    [after([30, stop]), "refuse", false],
  ])("follow the standing %#", (standing, expected, asks) => {
    expect(admission(standing)).toBe(expected);
    expect(needsAnswer(standing)).toBe(asks);
    expect(describeStanding(standing)).not.toBe("");
  });
});

type Happening = { readonly afterMs: number; readonly what: string; readonly ageMs: number };
const happening = (kinds: readonly string[]): fc.Arbitrary<Happening> =>
  fc.record({
    afterMs: fc.oneof(fc.nat(400), fc.nat(4_000), fc.nat(40_000)),
    what: fc.constantFrom(...kinds),
    ageMs: fc.nat(3_000),
  });
const usual = ["accepted", "accepted", "prepared", "prepared", "contact", "followed", "unconfirmed", "tick", "tick"];
const rare = ["refused", "undecided", "draining", "accepting", "intake-over", "lost", "renewed", "stop"];

/** What the world did, judged without a look at the machine. */
class Chronicle {
  nowMs = 0;
  standing: Standing = firstStanding("1", 0);
  incarnations = 1;
  readonly accepted = new Set<string>();
  readonly lost = new Set<string>();
  heardMs = 0;
  thawedMs = Number.NEGATIVE_INFINITY;
  confirmedMs = 0;

  next({ afterMs, what, ageMs }: Happening): { before: Standing; event: StandingEvent } {
    this.nowMs += afterMs;
    const before = this.standing;
    const event = this.#eventOf(what, this.nowMs - ageMs);
    this.standing = step(before, event, this.nowMs, limits);
    if (["accepted", "refused", "contact", "followed", "intake"].includes(event.type)) this.heardMs = this.nowMs;
    if (event.type === "accepted") this.accepted.add(event.incarnation);
    if (event.type === "accepted" && event.askedAtMs >= this.thawedMs) this.confirmedMs = this.nowMs;
    if (event.type === "lost") this.lost.add(event.incarnation);
    if (event.type === "thawed") this.thawedMs = this.nowMs;
    return { before, event };
  }

  #eventOf(what: string, askedAtMs: number): StandingEvent {
    const { incarnation } = this.standing;
    switch (what) {
      case "accepted":
        return { type: "accepted", incarnation, askedAtMs };
      case "refused":
      case "undecided":
        return { type: "refused", incarnation, askedAtMs, because: "no", final: what === "refused" };
      case "prepared":
        return { type: "prepared", incarnation };
      case "draining":
      case "accepting":
        return { type: "intake", intake: what };
      case "lost":
        return { type: "lost", incarnation, reason: "verdict" };
      case "renewed":
        return { type: "renewed", incarnation: this.standing.kind === "dropped" ? String(++this.incarnations) : "0" };
      default:
        return { type: what } as StandingEvent;
    }
  }
}

/** Most begin with a server that serves: few random histories would get there by themselves. */
const histories = (kinds: readonly string[]) =>
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.array(happening(kinds), { minLength: 1, maxLength: 60 }))
    .map(([coldStart, rest]) => (coldStart === 0 ? rest : served.concat(rest)));
const served = ["accepted", "prepared"].map((what): Happening => ({ what, afterMs: 10, ageMs: 0 }));

describe("in every history", () => {
  it("requests are taken only by an accepted incarnation that is not known to be lost (A1, A4)", () => {
    fc.assert(
      fc.property(histories([...usual, ...rare, "thawed"]), (history) => {
        const chronicle = new Chronicle();
        for (const one of history) {
          chronicle.next(one);
          if (admission(chronicle.standing) === "refuse") continue;
          expect(chronicle.accepted.has(chronicle.standing.incarnation)).toBe(true);
          expect(chronicle.lost.has(chronicle.standing.incarnation)).toBe(false);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("it ends itself only after cutOffAfterMs without contact (A2)", () => {
    let ends = 0;
    fc.assert(
      fc.property(histories([...usual, ...usual, ...usual, ...usual, ...rare]), (history) => {
        const chronicle = new Chronicle();
        for (const one of history) {
          const { heardMs } = chronicle;
          const { before } = chronicle.next(one);
          const { standing } = chronicle;
          if (before.kind === "ending" || standing.kind !== "ending" || standing.exitCode !== exitCodeWhenCutOff)
            continue;
          ends += 1;
          expect(chronicle.nowMs - heardMs).toBeGreaterThanOrEqual(limits.cutOffAfterMs);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(ends).toBeGreaterThan(50);
  });

  it("contact that comes and goes, never away for cutOffAfterMs, never ends it (A2)", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(limits.cutOffAfterMs - 201), { minLength: 1, maxLength: 30 }), (gaps) => {
        let standing = after(...serving);
        let nowMs = 20;
        for (const gapMs of gaps) {
          const endMs = nowMs + gapMs;
          for (; nowMs < endMs; nowMs += 200) standing = step(standing, tick, nowMs, limits);
          standing = step(standing, contact, nowMs, limits);
          expect(standing.kind).toBe("serving");
        }
      }),
    );
  });

  it("after a pause nothing is taken before a fresh confirmation or the end of the wait for one (A3)", () => {
    let holds = 0;
    fc.assert(
      fc.property(histories([...usual, ...usual, "undecided", "draining", "thawed", "stop"]), (history) => {
        const chronicle = new Chronicle();
        for (const one of history) {
          const { before, event } = chronicle.next(one);
          if (event.type !== "thawed" && before.kind !== "confirming") continue;
          if (chronicle.confirmedMs >= chronicle.thawedMs) continue;
          if (chronicle.nowMs - chronicle.thawedMs >= limits.confirmMs) continue;
          if (before.kind === "draining" && before.by === "stop") continue;
          holds += 1;
          expect(admission(chronicle.standing)).not.toBe("take");
        }
      }),
      { numRuns: 1_000 },
    );
    expect(holds).toBeGreaterThan(50);
  });

  it("an end is final, and a lost incarnation is left only for a new one (A4)", () => {
    fc.assert(
      fc.property(histories([...usual, ...rare, "thawed"]), (history) => {
        const chronicle = new Chronicle();
        for (const one of history) {
          const { before } = chronicle.next(one);
          const { standing } = chronicle;
          if (before.kind === "ending") expect(standing).toBe(before);
          if (before.kind === "dropped" && standing.kind !== "dropped" && standing.kind !== "ending")
            expect(standing.incarnation).not.toBe(before.incarnation);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
