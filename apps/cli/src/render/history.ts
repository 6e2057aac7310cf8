/** `history`: what happened, in words and milliseconds. Pure. */
import type { DatabaseHistoryEntry, Evidence, HistoryEntry, TakeoverPhases } from "@understudy/contracts";
import { fitted, toned, type Style, type Tone } from "./style.ts";
import { duration, moment } from "./units.ts";

type Entry = HistoryEntry | DatabaseHistoryEntry;
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

const eventWords: Readonly<Record<InstanceEvent, string>> = {
  accepted: "was accepted",
  resumed: "takes requests again",
  returned: "is back",
  draining: "drains",
  left: "has left",
  refused: "was refused",
  lost: "was declared lost",
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

const databaseTones: Readonly<Record<DatabaseHistoryEntry["event"], Tone>> = {
  initialised: "good",
  failover: "busy",
  switchover: "busy",
  restarted: "busy",
  degraded: "bad",
  protected: "good",
  "standby-joined": "good",
  "standby-left": "bad",
  fenced: "bad",
  paused: "busy",
  resumed: "good",
  "policy-changed": "quiet",
};

/** Oldest first, as a log reads. */
export function renderHistory(entries: readonly Entry[], now: number, style: Style): string {
  if (entries.length === 0) return "Nothing happened yet.";
  return entries.map((entry) => renderEntry(entry, now, style)).join("\n");
}

function renderEntry(entry: Entry, now: number, style: Style): string {
  // A takeover is written down a moment after it happened.
  const time = moment(entry.type === "takeover" ? entry.phases.actingAt : entry.at, now);
  const { dim } = style.colours;
  const indent = " ".repeat(time.length + 4);
  const details = detailsOf(entry, now).map((line) => indent + dim(fitted(style, line, indent.length)));
  return [`${dim(time)}  ${mark(entry, style)} ${headline(entry, style)}`, ...details].join("\n");
}

function mark(entry: Entry, style: Style): string {
  switch (entry.type) {
    case "takeover":
      return toned(style, "busy", "⇄");
    case "instance":
      return toned(style, tones[entry.event], "●");
    case "configuration":
      return style.colours.cyan("✎");
    case "database":
      return toned(style, databaseTones[entry.event], entry.phases ? "⇄" : "■");
  }
}

function headline(entry: Entry, style: Style): string {
  const { bold, dim } = style.colours;
  const term = dim(` (term ${entry.term})`);
  switch (entry.type) {
    case "takeover":
      return bold(takeoverWords(entry)) + term;
    case "instance":
      // The evidence is told below, so not in the headline too.
      return (entry.evidence.length > 0 ? `${entry.instance.id} ${eventWords[entry.event]}` : entry.summary) + term;
    case "configuration":
      return entry.summary + term;
    case "database":
      return (entry.phases ? bold(failoverWords(entry, entry.phases)) : entry.summary) + term;
  }
}

type DatabasePhases = NonNullable<DatabaseHistoryEntry["phases"]>;

function failoverWords({ database, event, from, to, summary }: DatabaseHistoryEntry, phases: DatabasePhases): string {
  if (to === undefined || from === undefined || from === to || (event !== "failover" && event !== "switchover")) {
    return summary;
  }
  const verb = event === "switchover" ? "was handed the writes" : "took over";
  const whole = phases.promotedAt - (phases.failedAt ?? phases.noticedAt);
  return `${database}: ${to} ${verb} from ${from} in ${duration(whole)}`;
}

function takeoverWords({ role, from, to, evidence, phases }: Extract<HistoryEntry, { type: "takeover" }>): string {
  const inMs = `in ${duration(wholeMs(phases))}`;
  if (from === undefined) return `${role}: ${to.id} is the first to lead, ${inMs}`;
  const onPurpose = evidence.some(({ kind }) => kind === "hand-over");
  return `${role}: ${to.id} ${onPurpose ? "was handed the role" : "took over"} from ${from.id} ${inMs}`;
}

/** From the failure, or the first sign of it that anybody has, to the first act of the new leader. */
export const wholeMs = (phases: TakeoverPhases): number => phases.actingAt - (phases.failedAt ?? phases.noticedAt);

function detailsOf(entry: Entry, now: number): string[] {
  switch (entry.type) {
    case "takeover":
      return [phaseWords(entry.phases, now), ...evidenceLines(entry.evidence)];
    case "instance":
      return evidenceLines(entry.evidence);
    case "configuration":
      return [];
    case "database":
      return [...(entry.phases ? [databasePhaseWords(entry.phases, now)] : []), ...evidenceLines(entry.evidence)];
  }
}

function databasePhaseWords({ failedAt, noticedAt, electedAt, promotedAt }: DatabasePhases, now: number): string {
  const steps =
    failedAt === undefined
      ? [`noticed ${moment(noticedAt, now)}`]
      : [`failed ${moment(failedAt, now)}`, `noticed +${duration(noticedAt - failedAt)}`];
  steps.push(`elected +${duration(electedAt - noticedAt)}`, `writable +${duration(promotedAt - electedAt)}`);
  return steps.join(" → ");
}

/** Of each observer what it saw last: the earlier signs led to it. */
function evidenceLines(evidence: readonly Evidence[]): string[] {
  const last = new Map(evidence.map((one) => [one.observer, one]));
  return [...last.values()].map((one) => `why: ${evidenceLine(one)}`);
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
