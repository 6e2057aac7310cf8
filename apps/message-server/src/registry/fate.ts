/**
 * Whether an app server is lost: a pure decision over evidence (DESIGN 4). A 503 alone never suffices: a healthy
 * server answers it too while it moves to another NATS node.
 */
import type { DetectorReport, Evidence, RegisteredServer } from "@understudy/contracts";

export interface FateFacts {
  readonly now: number;
  readonly lostAfterMs: number;
  /** Since when this leader has been listening without a pause of its own, same clock as `now`. */
  readonly listeningSince: number;
  /** When the incarnation's last beat was heard here; undefined when never. */
  readonly lastBeatAt: number | undefined;
  /** The supervisor saw this incarnation end. */
  readonly exit: Evidence | undefined;
  /** Latest report of each monitor about this incarnation, and when it was heard. */
  readonly reports: readonly { readonly report: DetectorReport; readonly heardAt: number }[];
  /** How many monitors have been heard lately. */
  readonly livingMonitors: number;
}

export type Fate =
  | { readonly kind: "alive" }
  | { readonly kind: "suspect"; readonly evidence: readonly Evidence[] }
  /** Lost unless it answers one last probe of the leader itself. */
  | { readonly kind: "lost"; readonly evidence: readonly Evidence[]; readonly needsProbe: boolean };

/** A report older than this says nothing any more; monitors repeat theirs every 500 ms. */
export const reportLifeMs = 2_000;

export function decideFate(server: RegisteredServer, facts: FateFacts): Fate {
  if (server.state === "lost" || server.state === "left") return { kind: "alive" };
  if (facts.exit !== undefined) return { kind: "lost", evidence: [facts.exit], needsProbe: false };
  const fresh = facts.reports.filter(({ heardAt }) => facts.now - heardAt <= reportLifeMs);
  const evidence = fresh.flatMap(({ report }) => report.evidence);
  const heardSince = Math.max(facts.lastBeatAt ?? 0, facts.listeningSince);
  const silentHereMs = facts.now - heardSince;
  if (silentHereMs >= facts.lostAfterMs) {
    const silent = fresh.filter(({ report }) => report.verdict === "silent" && report.silentMs >= facts.lostAfterMs);
    // Monitors report, the leader must agree; without any monitor its own ears must do.
    if (silent.length > 0 || facts.livingMonitors === 0) {
      const own: Evidence = {
        kind: "silence",
        at: Date.now(),
        observer: "message-server",
        detail: `no beat through any NATS node for ${Math.round(silentHereMs)} ms`,
      };
      return { kind: "lost", evidence: [...silent.flatMap(({ report }) => report.evidence), own], needsProbe: true };
    }
  }
  const doubted = fresh.some(({ report }) => report.verdict !== "alive");
  // A beat heard after the doubt clears it.
  const isHeardNow = facts.lastBeatAt !== undefined && fresh.every(({ heardAt }) => heardAt < (facts.lastBeatAt ?? 0));
  return doubted && !isHeardNow ? { kind: "suspect", evidence } : { kind: "alive" };
}
