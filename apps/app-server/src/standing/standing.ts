/**
 * The standing of an app server in its cluster (DESIGN 4): what it may do, and why. Pure: `step` alone changes it.
 *
 *   waiting    not accepted yet, or no longer; asks the message server without end, serves nothing
 *   preparing  accepted; its applications are made ready
 *   serving    accepted and in contact
 *   cut-off    no contact with any message server; goes on serving for `cutOffAfterMs`, then ends itself
 *   confirming was paused for so long that it may have been declared lost; asks before it serves on, requests wait
 *   draining   finishes what it has: by an operator's command, or because it stops
 *   dropped    declared lost while alive; drops what moved and takes a new incarnation, without a restart
 *   ending     the process ends; final
 *
 * Invariants (proven by random histories in standing.spec.ts):
 * - A1. Requests are taken only by an incarnation that a message server accepted and that is not known to be lost.
 * - A2. It ends itself only after `cutOffAfterMs` without contact; time in which it was paused counts.
 * - A3. After a pause longer than `lostAfterMs` nothing is taken until a message server has confirmed the incarnation
 *   by an answer to a question asked after the pause, or until `confirmMs` have shown that none can be reached; then
 *   A2 decides (L8, Q3).
 * - A4. A lost incarnation never serves again: `dropped` is left only with a new one.
 *
 * All times are on the process's monotonic clock.
 */
export type Intake = "accepting" | "draining";

interface Accepted {
  readonly incarnation: string;
  /** When the active message server was last heard. */
  readonly contactMs: number;
  /** Whether the leader that is followed now knows this incarnation; false: register again, which is idempotent. */
  readonly confirmed: boolean;
}

export type Standing =
  | { readonly kind: "waiting"; readonly incarnation: string; readonly sinceMs: number; readonly because: string }
  | ({ readonly kind: "preparing"; readonly intake: Intake } & Accepted)
  | ({ readonly kind: "serving" } & Accepted)
  | ({ readonly kind: "cut-off" } & Accepted)
  | ({ readonly kind: "confirming"; readonly intake: Intake; readonly sinceMs: number } & Accepted)
  | ({ readonly kind: "draining"; readonly by: "command" | "stop"; readonly takes: boolean } & Accepted)
  | { readonly kind: "dropped"; readonly incarnation: string; readonly reason: string }
  | { readonly kind: "ending"; readonly incarnation: string; readonly reason: string; readonly exitCode: number };

export interface Limits {
  /** Without contact for this long it counts as cut off. */
  readonly contactLostMs: number;
  readonly cutOffAfterMs: number;
  readonly confirmMs: number;
}

export type StandingEvent =
  /** The message server's answers; `askedAtMs` tells those that were asked before a pause. */
  | { readonly type: "accepted"; readonly incarnation: string; readonly askedAtMs: number }
  | {
      readonly type: "refused";
      readonly incarnation: string;
      readonly askedAtMs: number;
      readonly because: string;
      /** Asking again is pointless without a change, so it may not go on either. */
      readonly final: boolean;
    }
  | { readonly type: "unanswered"; readonly because: string }
  /** The leader that is followed was heard. */
  | { readonly type: "contact" }
  /** A new leader introduced itself to this incarnation. */
  | { readonly type: "followed" }
  /** A leader that may not know this incarnation. */
  | { readonly type: "unconfirmed" }
  | { readonly type: "prepared"; readonly incarnation: string }
  | { readonly type: "intake"; readonly intake: Intake }
  /** Balancers have had time to learn that it drains. */
  | { readonly type: "intake-over" }
  | { readonly type: "lost"; readonly incarnation: string; readonly reason: string }
  | { readonly type: "renewed"; readonly incarnation: string }
  /** The process was paused for longer than `lostAfterMs`. */
  | { readonly type: "thawed" }
  | { readonly type: "stop" }
  | { readonly type: "tick" };

/** sysexits.h EX_TEMPFAIL: the supervisor starts it again, and it waits for a message server. */
export const exitCodeWhenCutOff = 75;

export const firstStanding = (incarnation: string, nowMs: number): Standing =>
  waiting(incarnation, nowMs, "no message server has answered yet");

const waiting = (incarnation: string, sinceMs: number, because: string): Standing => ({
  kind: "waiting",
  incarnation,
  sinceMs,
  because,
});

/** The next standing; the same object when the event changes nothing. */
export function step(now: Standing, event: StandingEvent, nowMs: number, limits: Limits): Standing {
  switch (event.type) {
    case "accepted":
      return accepted(now, event, nowMs);
    case "refused":
      return refused(now, event, nowMs);
    case "unanswered":
      return now.kind === "waiting" ? { ...now, because: event.because } : now;
    case "contact":
      return inContact(now, nowMs);
    case "followed": {
      const next = inContact(now, nowMs);
      // Back from a cut: the verdict may have been written meanwhile, so ask in any case.
      return now.kind === "cut-off" || !isInContact(next) ? next : { ...next, confirmed: true };
    }
    case "unconfirmed":
      return isInContact(now) ? { ...now, confirmed: false } : now;
    case "prepared":
      if (now.kind !== "preparing" || now.incarnation !== event.incarnation) return now;
      return enterIntake(now, now.intake);
    case "intake":
      return changeIntake(inContact(now, nowMs), event.intake);
    case "intake-over":
      return now.kind === "draining" ? { ...now, takes: false } : now;
    case "lost":
      return lost(now, event);
    case "renewed":
      // A4
      if (now.kind !== "dropped" || now.incarnation === event.incarnation) return now;
      return waiting(event.incarnation, nowMs, now.reason);
    case "thawed":
      return thawed(now, nowMs);
    case "stop":
      return stopped(now);
    case "tick":
      return judgeSilence(now, nowMs, limits);
  }
}

type InContact = Extract<Standing, Accepted>;
const isInContact = (standing: Standing): standing is InContact => "contactMs" in standing;
const factsOf = ({ incarnation, contactMs, confirmed }: Accepted): Accepted => ({ incarnation, contactMs, confirmed });

const enterIntake = (from: Accepted, intake: Intake): Standing =>
  intake === "accepting"
    ? { kind: "serving", ...factsOf(from) }
    : { kind: "draining", by: "command", takes: true, ...factsOf(from) };

function accepted(now: Standing, event: StandingEvent & { type: "accepted" }, nowMs: number): Standing {
  if (now.incarnation !== event.incarnation) return now;
  const facts = { incarnation: now.incarnation, contactMs: nowMs, confirmed: true };
  switch (now.kind) {
    case "waiting":
      // A3: an answer from before a pause proves nothing.
      return event.askedAtMs < now.sinceMs ? now : { kind: "preparing", intake: "accepting", ...facts };
    case "confirming":
      return event.askedAtMs < now.sinceMs ? now : enterIntake(facts, now.intake); // A3
    case "cut-off":
      return { kind: "serving", ...facts };
    case "preparing":
    case "serving":
    case "draining":
      return { ...now, ...facts };
    case "dropped":
    case "ending":
      return now;
  }
}

function refused(now: Standing, event: StandingEvent & { type: "refused" }, nowMs: number): Standing {
  if (now.incarnation !== event.incarnation) return now;
  if (now.kind === "waiting") return { ...now, because: event.because };
  if (!isInContact(now) || (now.kind === "draining" && now.by === "stop")) return now;
  if (now.kind === "confirming" && event.askedAtMs < now.sinceMs) return now;
  if (event.final) return waiting(now.incarnation, nowMs, event.because);
  // A message server that cannot decide is heard all the same.
  const facts = { incarnation: now.incarnation, contactMs: nowMs, confirmed: false };
  return now.kind === "cut-off" ? { kind: "serving", ...facts } : { ...now, ...facts };
}

function inContact(now: Standing, nowMs: number): Standing {
  switch (now.kind) {
    case "cut-off":
      // Back in time. It may have been declared lost meanwhile: it goes on, and asks.
      return { kind: "serving", incarnation: now.incarnation, contactMs: nowMs, confirmed: false };
    case "preparing":
    case "serving":
    case "draining":
      return { ...now, contactMs: nowMs };
    // A3: what was sent before the pause may arrive after it.
    case "confirming":
    case "waiting":
    case "dropped":
    case "ending":
      return now;
  }
}

function changeIntake(now: Standing, intake: Intake): Standing {
  switch (now.kind) {
    case "serving":
      return intake === "draining" ? enterIntake(now, intake) : now;
    case "draining":
      return intake === "accepting" && now.by === "command" ? enterIntake(now, intake) : now;
    case "preparing":
    case "confirming":
      return { ...now, intake };
    case "waiting":
    case "cut-off":
    case "dropped":
    case "ending":
      return now;
  }
}

function lost(now: Standing, event: StandingEvent & { type: "lost" }): Standing {
  if (now.incarnation !== event.incarnation || now.kind === "dropped" || now.kind === "ending") return now;
  const { incarnation } = now;
  return now.kind === "draining" && now.by === "stop"
    ? { kind: "ending", incarnation, reason: event.reason, exitCode: 0 }
    : { kind: "dropped", incarnation, reason: event.reason };
}

function thawed(now: Standing, nowMs: number): Standing {
  switch (now.kind) {
    case "waiting":
      return { ...now, sinceMs: nowMs };
    case "preparing":
      return waiting(now.incarnation, nowMs, "the process was paused before it served");
    case "serving":
    case "cut-off":
      return { kind: "confirming", intake: "accepting", sinceMs: nowMs, ...factsOf(now), confirmed: false };
    case "confirming":
      return { ...now, sinceMs: nowMs };
    case "draining":
      if (now.by === "stop") return now;
      return { kind: "confirming", intake: "draining", sinceMs: nowMs, ...factsOf(now), confirmed: false };
    case "dropped":
    case "ending":
      return now;
  }
}

function stopped(now: Standing): Standing {
  switch (now.kind) {
    case "serving":
    case "cut-off":
      return { kind: "draining", by: "stop", takes: true, ...factsOf(now) };
    case "draining":
      return { ...now, by: "stop" };
    // A3: an unconfirmed standing takes nothing more, not even for the moment of a drain.
    case "confirming":
    case "waiting":
    case "preparing":
    case "dropped":
      return { kind: "ending", incarnation: now.incarnation, reason: "stopped", exitCode: 0 };
    case "ending":
      return now;
  }
}

function judgeSilence(now: Standing, nowMs: number, limits: Limits): Standing {
  if (!isInContact(now) || (now.kind === "draining" && now.by === "stop")) return now;
  if (now.kind === "confirming" && nowMs - Math.max(now.sinceMs, now.contactMs) < limits.confirmMs) return now; // A3
  const silentMs = nowMs - now.contactMs;
  if (silentMs >= limits.cutOffAfterMs) {
    const reason = `cut off from every message server for ${Math.round(silentMs)} ms`;
    return { kind: "ending", incarnation: now.incarnation, reason, exitCode: exitCodeWhenCutOff }; // A2
  }
  if (silentMs < limits.contactLostMs) return now;
  switch (now.kind) {
    case "serving":
      return { kind: "cut-off", ...factsOf(now) };
    case "confirming":
      return now.intake === "accepting" ? { kind: "cut-off", ...factsOf(now) } : enterIntake(now, now.intake);
    case "preparing":
    case "cut-off":
    case "draining":
      return now;
  }
}

/** What happens to a request that arrives now. */
export type Admission = "take" | "hold" | "refuse";

export function admission(now: Standing): Admission {
  switch (now.kind) {
    case "serving":
    case "cut-off":
      return "take";
    case "draining":
      return now.takes ? "take" : "refuse";
    case "confirming":
      return "hold";
    case "waiting":
    case "preparing":
    case "dropped":
    case "ending":
      return "refuse";
  }
}

/** Whether the message server is to be asked (again) about this incarnation. */
export function needsAnswer(now: Standing): boolean {
  if (now.kind === "waiting") return true;
  return isInContact(now) && !now.confirmed && !(now.kind === "draining" && now.by === "stop");
}

/** One sentence for people: in the log, in /readyz, in a refusal. */
export function describe(now: Standing): string {
  switch (now.kind) {
    case "waiting":
      return `waiting to be accepted: ${now.because}`;
    case "preparing":
      return "accepted; its applications are being prepared";
    case "serving":
      return "serving";
    case "cut-off":
      return "serving, cut off from every message server";
    case "confirming":
      return "was paused; asks the message server whether it may go on";
    case "draining":
      return now.by === "stop" ? "stopping; finishes what it has" : "drained by an operator";
    case "dropped":
      return `was declared lost and takes a new incarnation: ${now.reason}`;
    case "ending":
      return `ending: ${now.reason}`;
  }
}
