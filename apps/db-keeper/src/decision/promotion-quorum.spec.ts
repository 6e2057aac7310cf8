import fc from "fast-check";
import { promotionVerdict, type Confirmation } from "./promotion-quorum.ts";

const said = (member: string, flushedAt: number, revision = 5, timeline = 1): Confirmation => ({
  member,
  revision,
  timeline,
  flushedAt: BigInt(flushedAt),
});
const threeOfWhichTwo = { count: 2, standbys: ["b", "c", "d"] };

describe("promotionVerdict", () => {
  it("needs n - k + 1 confirmations and takes the one that has flushed furthest", () => {
    expect(promotionVerdict(threeOfWhichTwo, [said("b", 7)], 5)).toEqual({ kind: "wait", missing: 1 });
    expect(promotionVerdict(threeOfWhichTwo, [said("b", 7), said("c", 9)], 5)).toEqual({
      kind: "promote",
      members: ["c"],
    });
  });
  it("needs one where commits wait for all, and all where they wait for one", () => {
    expect(promotionVerdict({ count: 1, standbys: ["b"] }, [said("b", 1)], 5)).toEqual({
      kind: "promote",
      members: ["b"],
    });
    expect(promotionVerdict({ count: 1, standbys: ["b", "c"] }, [said("b", 1)], 5)).toEqual({
      kind: "wait",
      missing: 1,
    });
  });
  it("counts nobody twice, no stranger, and no confirmation of another revision", () => {
    const confirmations = [said("b", 7), said("b", 8), said("x", 99), said("c", 9, 4)];
    expect(promotionVerdict(threeOfWhichTwo, confirmations, 5)).toEqual({ kind: "wait", missing: 1 });
  });
  it("prefers the newest timeline to a longer log on an older one", () => {
    const confirmations = [said("b", 99, 5, 1), said("c", 9, 5, 2)];
    expect(promotionVerdict(threeOfWhichTwo, confirmations, 5)).toEqual({ kind: "promote", members: ["c"] });
  });

  /** Commits, acknowledgements and confirmations in any order: the promoted one never lacks an acknowledged commit. */
  const storms = fc.record({
    standbys: fc.integer({ min: 1, max: 5 }),
    wanted: fc.nat(),
    events: fc.array(fc.record({ kind: fc.constantFrom("write", "receive", "receive", "stop"), who: fc.nat() }), {
      maxLength: 60,
    }),
  });
  const simulate = (
    { standbys: many, wanted, events }: { standbys: number; wanted: number; events: { kind: string; who: number }[] },
    verdict: typeof promotionVerdict,
  ): { readonly isPromoted: boolean; readonly isLost: boolean } => {
    const standbys = Array.from({ length: many }, (_, index) => `s${index}`);
    const quorum = { count: 1 + (wanted % many), standbys };
    const flushed = new Map(standbys.map((member) => [member, 0]));
    const stopped = new Set<string>();
    let written = 0;
    let acknowledged = 0;
    let promoted: string | undefined;
    for (const { kind, who } of events) {
      const member = standbys[who % many] ?? "";
      if (kind === "write") written += 1;
      else if (kind === "receive" && !stopped.has(member)) flushed.set(member, written);
      else if (kind === "stop") stopped.add(member);
      // The old primary lives on and acknowledges whatever enough standbys have.
      const have = [...flushed.values()].sort((a, b) => b - a);
      acknowledged = Math.max(acknowledged, have[quorum.count - 1] ?? 0);
      if (promoted !== undefined) continue;
      const confirmations = [...stopped].map((each) => said(each, flushed.get(each) ?? 0));
      const found = verdict(quorum, confirmations, 5);
      if (found.kind === "promote") promoted = found.members[0];
    }
    return {
      isPromoted: promoted !== undefined,
      isLost: promoted !== undefined && (flushed.get(promoted) ?? 0) < acknowledged,
    };
  };

  it("never promotes a standby that lacks an acknowledged commit, however the old primary goes on", () => {
    let promotions = 0;
    fc.assert(
      fc.property(storms, (storm) => {
        const { isPromoted, isLost } = simulate(storm, promotionVerdict);
        promotions += Number(isPromoted);
        return !isLost;
      }),
      { numRuns: 10_000 },
    );
    expect(promotions).toBeGreaterThan(3_000);
  });

  it.each<readonly [string, typeof promotionVerdict]>([
    [
      "one confirmation too few",
      (quorum, all, revision) => promotionVerdict({ ...quorum, count: quorum.count + 1 }, all, revision),
    ],
    [
      "the first that confirmed instead of the furthest",
      (quorum, all, revision) => {
        const found = promotionVerdict(quorum, all, revision);
        return found.kind === "promote" ? { kind: "promote", members: [all[0]?.member ?? ""] } : found;
      },
    ],
  ])("is noticed to be wrong with %s", (_bug, wrong) => {
    const outcome = fc.check(
      fc.property(storms, (storm) => !simulate(storm, wrong).isLost),
      { numRuns: 5_000 },
    );
    expect(outcome.failed).toBe(true);
  });
});
