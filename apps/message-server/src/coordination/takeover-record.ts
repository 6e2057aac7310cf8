/** How a takeover reads in the history: pure. */
import type { Evidence, ExitEvidence, HistoryEntry, InstanceRef } from "@understudy/contracts";

export interface TakeoverFacts {
  readonly role: string;
  readonly from: InstanceRef | undefined;
  readonly to: InstanceRef;
  readonly evidence: readonly Evidence[];
  /** The supervisor's word about the predecessor, when it came. */
  readonly exit: ExitEvidence | undefined;
  /** Last sign of life of the predecessor that the new leader had itself. */
  readonly lastAliveAt: number | undefined;
  readonly electedAt: number;
  readonly actingAt: number;
}

type TakeoverDraft = Omit<Extract<HistoryEntry, { type: "takeover" }>, "at" | "term" | "writtenBy">;

const reasonInWords: Record<Evidence["kind"], string> = {
  exit: "its process ended",
  "no-responders": "its process is gone",
  "unanswered-probes": "it stopped answering",
  silence: "it fell silent",
  "lease-expired": "its lease was not renewed",
  "hand-over": "it handed over",
  "first-start": "nobody held the role",
};

export function takeoverRecord(facts: TakeoverFacts): TakeoverDraft {
  const first = facts.evidence[0];
  const noticedAt = Math.min(first?.at ?? facts.electedAt, facts.electedAt);
  const isPlanned = first?.kind === "hand-over" || first?.kind === "first-start";
  const failedAt = isPlanned ? undefined : (facts.exit?.at ?? facts.lastAliveAt);
  const why = reasonInWords[first?.kind ?? "first-start"];
  const from = facts.from?.id;
  const begin = failedAt ?? noticedAt;
  const span = Math.max(0, Math.round(facts.actingAt - begin));
  const summary =
    from === undefined || first?.kind === "first-start"
      ? `${facts.to.id} became ${facts.role}: ${why}`
      : `${facts.to.id} took over ${facts.role} from ${from}: ${why}; acting after ${span} ms`;
  return {
    type: "takeover",
    role: facts.role,
    ...(facts.from !== undefined && { from: facts.from }),
    to: facts.to,
    evidence: [...facts.evidence],
    phases: {
      ...(failedAt !== undefined && { failedAt }),
      failedAtIsExact: !isPlanned && facts.exit !== undefined,
      noticedAt,
      electedAt: facts.electedAt,
      actingAt: facts.actingAt,
    },
    summary,
  };
}
