import { SetMetadata } from "@nestjs/common";

export const onLeadershipKey = Symbol("onLeadership");

/**
 * Phases of taking the lead, one after the other; within a phase all handlers run together.
 * announce: nothing slow, the world is waiting. fence: make older terms powerless. work: everything else.
 */
export const leadershipPhases = ["announce", "fence", "work"] as const;
export type LeadershipPhase = (typeof leadershipPhases)[number];

export interface OnLeadershipMetadata {
  readonly event: "lead" | "lose";
  readonly phase: LeadershipPhase;
}

/** The method runs when this process begins to lead: `(leader: LeaderTerm, signal: AbortSignal)`; aborted on loss. */
export const OnLeadership = (phase: LeadershipPhase = "work"): MethodDecorator =>
  SetMetadata(onLeadershipKey, { event: "lead", phase } satisfies OnLeadershipMetadata);

/** The method runs when this process no longer leads: `(leader: LeaderTerm, reason: string)`. */
export const OnLeadershipLost = (): MethodDecorator =>
  SetMetadata(onLeadershipKey, { event: "lose", phase: "work" } satisfies OnLeadershipMetadata);
