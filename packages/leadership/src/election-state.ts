/** What a candidate knows, hears and does: the words in which `election.ts` decides. */
import type { Evidence, InstanceRef } from "@understudy/contracts";
import type { Lease, SeenLease } from "./lease.ts";
import type { LeaseTiming } from "./timing.ts";

export interface Candidate extends InstanceRef {
  readonly machine: string;
}

interface PendingSwap {
  readonly id: number;
  readonly startedAt: number;
  readonly lease: Lease;
}

interface Hint {
  readonly holder: string;
  readonly at: number;
  readonly evidence: readonly Evidence[];
}

interface Wish {
  readonly content: unknown;
  readonly version: number;
}

/** Why a candidate tries for the lease, and whom it would follow. */
export interface Cause {
  readonly evidence: readonly Evidence[];
  readonly predecessor: SeenLease | undefined;
}

export type ElectionState =
  | {
      readonly kind: "following";
      readonly seen: SeenLease | undefined;
      readonly unchangedSince: number;
      readonly hint: Hint | undefined;
      /** Not before: after a refused or unknown swap the entry is read first. */
      readonly reading: boolean;
      /** Of a swap without an answer: when the lease turns out to be ours, this is why. */
      readonly unanswered: Cause | undefined;
    }
  | {
      readonly kind: "acquiring";
      readonly seen: SeenLease | undefined;
      readonly unchangedSince: number;
      readonly hint: Hint | undefined;
      readonly swap: PendingSwap;
      readonly cause: Cause;
      readonly lastTickAt: number;
    }
  | {
      readonly kind: "leading";
      readonly held: SeenLease;
      readonly actsUntil: number;
      readonly renewedAt: number;
      readonly renewal: PendingSwap | undefined;
      /** A content that the entry shall carry and does not yet. */
      readonly wish: Wish | undefined;
      readonly lastTickAt: number;
      /** Set after a pause of the own process: only a swap started later clears it. */
      readonly suspendedAt: number | undefined;
    }
  | {
      readonly kind: "releasing";
      readonly held: SeenLease;
      readonly to: string | undefined;
      readonly swap: PendingSwap | undefined;
    }
  | { readonly kind: "stopped" };

export type ElectionEvent =
  | { readonly kind: "observed"; readonly seen: SeenLease | undefined }
  | { readonly kind: "hint"; readonly holder: string; readonly evidence: readonly Evidence[] }
  /** The holder answered: hints about it are void. */
  | { readonly kind: "holder-alive"; readonly holder: string }
  | { readonly kind: "tick" }
  | { readonly kind: "swapped"; readonly swap: number; readonly revision: number }
  | { readonly kind: "swap-refused"; readonly swap: number }
  | { readonly kind: "swap-unknown"; readonly swap: number }
  | { readonly kind: "change"; readonly content: unknown; readonly version: number }
  | { readonly kind: "release"; readonly to: string | undefined }
  | { readonly kind: "stop" };

export type ElectionAction =
  | { readonly kind: "swap"; readonly id: number; readonly expectedRevision: number; readonly lease: Lease }
  | { readonly kind: "read" }
  | ({ readonly kind: "lead"; readonly held: SeenLease } & Cause)
  | { readonly kind: "lose"; readonly held: SeenLease; readonly reason: string }
  | { readonly kind: "released" };

export interface ElectionSetting {
  readonly role: string;
  readonly me: Candidate;
  readonly timing: LeaseTiming;
  /** Highest term known from elsewhere (PostgreSQL). */
  readonly termFloor: number;
  /** Whether this candidate may take a lease at all now, given the entry that it would swap. */
  readonly isEligible: (seen: SeenLease | undefined) => boolean;
  /** What the entry carries from the new term's first moment on (D2), given the entry that is swapped. */
  readonly contentFor?: ((seen: SeenLease | undefined) => unknown) | undefined;
  /** Own monotonic clock, milliseconds. */
  readonly now: number;
  /** Wall clock, for people. */
  readonly wallClock: number;
  /** A number not used for an earlier swap of this candidate. */
  readonly nextSwap: number;
}

export interface Step {
  readonly state: ElectionState;
  readonly actions: readonly ElectionAction[];
}

export type Following = Extract<ElectionState, { kind: "following" }>;
export type Acquiring = Extract<ElectionState, { kind: "acquiring" }>;
export type Leading = Extract<ElectionState, { kind: "leading" }>;
export type Releasing = Extract<ElectionState, { kind: "releasing" }>;

export const following = (seen: SeenLease | undefined, now: number, reading: boolean): Following => ({
  kind: "following",
  seen,
  unchangedSince: now,
  hint: undefined,
  reading,
  unanswered: undefined,
});

/** Knows nothing, and reads before it does anything. */
export const initialState = (now: number): ElectionState => following(undefined, now, true);

/** Whether effects are allowed at `now`. Ask before each effect. */
export function mayAct(state: ElectionState, now: number, timing: LeaseTiming): boolean {
  return (
    state.kind === "leading" &&
    state.suspendedAt === undefined && // L8
    now - state.lastTickAt <= timing.pauseToleranceMs && // L8: paused, and the tick has not even run yet
    now < state.actsUntil // L3
  );
}
