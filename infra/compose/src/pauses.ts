/** How long nobody got an order acknowledged, and which attempts failed, in one step of the test. Pure. */
import type { OrderRecord } from "@understudy/order-entry/testing";

export interface StepReport {
  readonly step: string;
  readonly seconds: number;
  /** Acknowledged within the step. */
  readonly orders: number;
  /** Longest time without an acknowledged order, of all clients together. */
  readonly longestPauseMs: number;
  /** When that began, from the step's beginning. */
  readonly pausedAfterMs: number;
  readonly slowestOrderMs: number;
  /** Orders that needed more than one attempt. */
  readonly repeated: number;
  readonly unknown: number;
}

/** `from` and `to` in milliseconds since 1970. Orders count where they ended. */
export function reportStep(step: string, records: readonly OrderRecord[], from: number, to: number): StepReport {
  const ended = records.filter(({ startedAt, ms }) => startedAt + ms >= from && startedAt + ms <= to);
  const acknowledged = ended.filter(({ outcome }) => outcome === "acknowledged");
  const moments = [from, ...acknowledged.map(({ startedAt, ms }) => startedAt + ms).sort((a, b) => a - b), to];
  let [longestPauseMs, pausedAfterMs] = [0, 0];
  for (let index = 1; index < moments.length; index += 1) {
    const began = moments[index - 1] ?? 0;
    const lastedMs = (moments[index] ?? 0) - began;
    if (lastedMs > longestPauseMs) [longestPauseMs, pausedAfterMs] = [lastedMs, began - from];
  }
  return {
    step,
    seconds: (to - from) / 1_000,
    orders: acknowledged.length,
    longestPauseMs: Math.round(longestPauseMs),
    pausedAfterMs: Math.round(pausedAfterMs),
    slowestOrderMs: Math.round(Math.max(0, ...acknowledged.map(({ ms }) => ms))),
    repeated: ended.filter(({ attempts }) => attempts > 1).length,
    unknown: ended.filter(({ outcome }) => outcome === "unknown").length,
  };
}

/** As a Markdown table. */
export function pauseTable(steps: readonly StepReport[]): string {
  const head = ["step", "s", "orders", "longest pause ms", "after s", "slowest order ms", "repeated", "unknown"];
  const rows = steps.map((each) => [
    each.step,
    each.seconds.toFixed(0),
    String(each.orders),
    String(each.longestPauseMs),
    (each.pausedAfterMs / 1_000).toFixed(1),
    String(each.slowestOrderMs),
    String(each.repeated),
    String(each.unknown),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => `${"-".repeat(width + 1)}${column === 0 ? "-" : ":"}`).join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}
