import { OrderLedger } from "@understudy/order-entry/testing";
import type { CampaignReport } from "./campaign.ts";

/** True when nothing was lost, doubled, altered, unresolved or inconsistent. */
export const isFaultless = (report: CampaignReport): boolean =>
  OrderLedger.isClean(report.ledger) &&
  report.unresolved === 0 &&
  report.load.refused === 0 &&
  report.consistency.length === 0 &&
  report.bank.violations.length === 0 &&
  report.fence.violations.length === 0;

/** A campaign in words. 0 failures in N runs bound the rate at 3/N with 95% confidence. */
export function describeCampaign(report: CampaignReport): string {
  const { load, ledger, fence, bank } = report;
  const before = report.strikes.findLast(({ at }) => at < load.longestGapEndedAt)?.text ?? "the first fault to come";
  const counted = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ") || "none";
  const bound =
    load.acknowledged === 0 ? "no bound" : `rate below ${(3 / load.acknowledged).toExponential(1)} with 95%`;
  return [
    `seed ${report.seed}: ${report.faults} faults took effect, ${report.takeovers} takeovers of the message server, ${report.failovers} promotions of a database`,
    `orders: ${load.acknowledged} acknowledged in ${load.seconds.toFixed(0)} s, ${load.repeated} repeated, ${load.unknown} unknown at their deadline, ${report.unresolved} unresolved`,
    `lost ${ledger.lost.length}, doubled ${ledger.duplicated.length}, altered ${ledger.altered.length}, unexpected ${ledger.unexpected.length} (${bound})`,
    `slowest order ${report.slowestMs.toFixed(0)} ms, longest time without an acknowledged order ${load.longestGapMs.toFixed(0)} ms (${before})`,
    `attempts that did not succeed: ${counted(load.reasons)}`,
    `bank: ${bank.acknowledged} transfers, ${bank.reads} reads; tried again ${counted(bank.triedAgain)}; unknown ${bank.unknown}; errors ${counted(bank.errors)}; slowest ${bank.slowestMs.toFixed(0)} ms; ${bank.violations.slice(0, 5).join("; ") || "the sum is constant"}`,
    `consistency: ${report.consistency.map(({ condition }) => condition).join("; ") || "holds"}; terms seen ${fence.terms}, ${fence.violations.join("; ") || "never falling"}`,
  ].join("\n");
}
