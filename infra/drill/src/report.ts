import { OrderLedger } from "@understudy/order-entry/testing";
import type { CampaignReport } from "./campaign.ts";

/** True when nothing was lost, doubled, altered, unresolved or inconsistent. */
export const isFaultless = (report: CampaignReport): boolean =>
  OrderLedger.isClean(report.ledger) &&
  report.unresolved === 0 &&
  report.load.refused === 0 &&
  report.consistency.length === 0 &&
  report.fence.violations.length === 0;

/** A campaign in words. 0 failures in N runs bound the rate at 3/N with 95% confidence. */
export function describeCampaign(report: CampaignReport): string {
  const { load, ledger, fence } = report;
  const bound =
    load.acknowledged === 0 ? "no bound" : `rate below ${(3 / load.acknowledged).toExponential(1)} with 95%`;
  return [
    `seed ${report.seed}: ${report.faults} faults took effect, ${report.takeovers} takeovers of the message server`,
    `orders: ${load.acknowledged} acknowledged in ${load.seconds.toFixed(0)} s, ${load.repeated} repeated, ${load.unknown} unknown at their deadline, ${report.unresolved} unresolved`,
    `lost ${ledger.lost.length}, doubled ${ledger.duplicated.length}, altered ${ledger.altered.length}, unexpected ${ledger.unexpected.length} (${bound})`,
    `slowest order ${report.slowestMs.toFixed(0)} ms, longest time without an acknowledged order ${load.longestGapMs.toFixed(0)} ms`,
    `attempts that did not succeed: ${
      Object.entries(load.reasons)
        .map(([reason, count]) => `${reason} ${count}`)
        .join(", ") || "none"
    }`,
    `consistency: ${report.consistency.map(({ condition }) => condition).join("; ") || "holds"}; terms seen ${fence.terms}, ${fence.violations.join("; ") || "never falling"}`,
  ].join("\n");
}
