/** `history`: what happened, in words and milliseconds. Pure. */
import type { Evidence, HistoryEntry, TakeoverPhases } from "@understudy/contracts";
import { toned, type Style, type Tone } from "./style.ts";
import { duration, moment } from "./units.ts";

type InstanceEvent = Extract<HistoryEntry, { type: "instance" }>["event"];

const tones: Readonly<Record<InstanceEvent, Tone>> = {
  accepted: "good",
  resumed: "good",
  returned: "good",
  draining: "busy",
  left: "quiet",
  refused: "bad",
  lost: "bad",
};

const evidenceWords: Readonly<Record<Evidence["kind"], string>> = {
  exit: "its supervisor saw the process end",
  "no-responders": "nobody answered for it (503)",
  "unanswered-probes": "probes stayed unanswered",
  silence: "no beat through any NATS node",
  "lease-expired": "the lease was not renewed",
  "hand-over": "handed over on purpose",
  "first-start": "nobody held the role before",
};

/** Oldest first, as a log reads. */
export function renderHistory(entries: readonly HistoryEntry[], now: number, style: Style): string {
  if (entries.length === 0) return "Nothing happened yet.";
  return entries.map((entry) => renderEntry(entry, now, style)).join("\n");
}

function renderEntry(entry: HistoryEntry, now: number, style: Style): string {
  const time = moment(entry.at, now);
  const { dim } = style.colours;
  const indent = " ".repeat(time.length + 2);
  const details = detailsOf(entry, now).map((line) => `${indent}${dim(line)}`);
  return [`${dim(time)}  ${mark(entry, style)} ${headline(entry, style)}`, ...details].join("\n");
}

function mark(entry: HistoryEntry, style: Style): string {
  switch (entry.type) {
    case "takeover":
      return toned(style, "busy", "⇄");
    case "instance":
      return toned(style, tones[entry.event], "●");
    case "configuration":
      return style.colours.cyan("✎");
  }
}

function headline(entry: HistoryEntry, style: Style): string {
  if (entry.type !== "takeover") return `${entry.summary}${style.colours.dim(` (term ${entry.term})`)}`;
  const { bold } = style.colours;
  const from = entry.from ? ` from ${entry.from.id}` : "";
  const onPurpose = entry.evidence.some(({ kind }) => kind === "hand-over");
  const verb = entry.from === undefined ? "leads" : onPurpose ? "was handed the role" : "took over";
  return bold(
    `${entry.role}: ${entry.to.id} ${verb}${from} in ${duration(wholeMs(entry.phases))} (term ${entry.term})`,
  );
}

/** From the failure, or the first sign of it that anybody has, to the first act of the new leader. */
export const wholeMs = (phases: TakeoverPhases): number => phases.actingAt - (phases.failedAt ?? phases.noticedAt);

function detailsOf(entry: HistoryEntry, now: number): string[] {
  switch (entry.type) {
    case "takeover":
      return [`  ${phaseWords(entry.phases, now)}`, ...entry.evidence.map((one) => `  why: ${evidenceLine(one)}`)];
    case "instance":
      return entry.evidence.map((one) => `  why: ${evidenceLine(one)}`);
    case "configuration":
      return [];
  }
}

/** Each phase counts from the one before it. */
export function phaseWords(phases: TakeoverPhases, now: number): string {
  const steps: string[] = [];
  if (phases.failedAt !== undefined) {
    const failed = phases.failedAtIsExact ? "failed" : "last sign of life";
    steps.push(`${failed} ${moment(phases.failedAt, now)}`, `noticed +${duration(phases.noticedAt - phases.failedAt)}`);
  } else {
    steps.push(`noticed ${moment(phases.noticedAt, now)}`);
  }
  steps.push(
    `elected +${duration(phases.electedAt - phases.noticedAt)}`,
    `acting +${duration(phases.actingAt - phases.electedAt)}`,
  );
  return steps.join(" → ");
}

function evidenceLine({ kind, observer, detail }: Evidence): string {
  return `${evidenceWords[kind]} [${kind}, ${observer}]${detail ? `: ${detail}` : ""}`;
}
