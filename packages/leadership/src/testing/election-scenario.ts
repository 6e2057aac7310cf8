/** What befalls the candidates of a simulated election. Plain data, so that a property test can shrink it. */
import { mayAct } from "../election-state.ts";
import { electionStep } from "../election.ts";
import type { LeaseTiming } from "../timing.ts";

export const faultKinds = [
  /** No event of the candidate is processed; what arrives waits. */
  "pause",
  /** The same, from the moment at which it next asks the store for a swap. */
  "pause-in-swap",
  /** The process ends and starts again as a new incarnation. */
  "kill",
  /** Its requests to the store are lost. */
  "cut-requests",
  /** What the store says to it is lost: answers, reads, watch. */
  "cut-answers",
  /** The answer to its next swap comes late, while the watch is quick; in half of the cases it is the last for a while. */
  "late-answer",
  /** Nobody can swap; reads fail half of the time. */
  "store-outage",
  /** The present leader is told to give the lease away. */
  "release",
  /** The candidate hears that the holder is gone, true or not. Only where the scenario allows hints. */
  "hint",
  /** It must not try for the lease. */
  "ineligible",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** When in the storm. */
  readonly atPercent: number;
  readonly forMs: number;
  /** Even: whoever leads then, if anybody does. Else, modulo their number, a candidate. */
  readonly target: number;
  /** Decides details, such as the order in which a resumed process finds its events. */
  readonly variant: number;
}

/** How the network treats each message while the storm lasts, in percent. */
export interface Weather {
  readonly lost: number;
  readonly doubled: number;
  /** Up to 3 s late; a tenth of these up to 20 s. */
  readonly late: number;
  /** Reads that give an older entry, or none. */
  readonly stale: number;
}

export interface Scenario {
  /** Of all delays and coin tosses. */
  readonly seed: number;
  readonly candidates: number;
  readonly hints: boolean;
  readonly timing: LeaseTiming;
  readonly stormMs: number;
  readonly weather: Weather;
  readonly faults: readonly Fault[];
}

/** What is under test; a planted bug replaces a part. */
export interface ElectionRules {
  readonly step: typeof electionStep;
  readonly mayAct: typeof mayAct;
  /** Whether receivers compare terms (L2). */
  readonly isFenced: boolean;
}

export const trueRules: ElectionRules = { step: electionStep, mayAct, isFenced: true };
