import { Counter, Gauge } from "prom-client";
import type { Standing } from "./standing.ts";

const kinds: readonly Standing["kind"][] = [
  "waiting",
  "preparing",
  "serving",
  "cut-off",
  "confirming",
  "draining",
  "dropped",
  "ending",
];

const standingGauge = new Gauge({
  name: "understudy_app_server_standing",
  help: "1 for the standing that the app server has now.",
  labelNames: ["standing"] as const,
});
const changes = new Counter({
  name: "understudy_app_server_standing_changes_total",
  help: "How often each standing was entered; cut-off and dropped are the ones to watch.",
  labelNames: ["standing"] as const,
});

export class StandingMetrics {
  show(now: Standing, before: Standing): void {
    if (now !== before && now.kind === before.kind) return;
    for (const kind of kinds) standingGauge.set({ standing: kind }, kind === now.kind ? 1 : 0);
    if (now.kind !== before.kind) changes.inc({ standing: now.kind });
  }
}
