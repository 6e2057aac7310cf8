/**
 * What follows when a connection is lost while a statement is in work (P3, P4, P6). Pure: the whole decision in one
 * table, so that it can be read and tested; the effects are in `recovery.ts`.
 *
 * Where in doubt, the plan that promises less: nothing is sent again unless it cannot have happened, cannot have had
 * an effect, or its marker has settled that it never will.
 */
import type { SentAs } from "./client-query.ts";

export interface Loss {
  readonly sentAs: SentAs;
  /** Whether the statement may have reached the server. */
  readonly wasSent: boolean;
  readonly hasMarker: boolean;
  /** Something in the transaction may have written (COMMIT without a marker: nobody can find out). */
  readonly mayHaveWritten: boolean;
  /** A transaction stands with statements that the caller has seen answered. */
  readonly isInTransaction: boolean;
  /** The text holds transaction control among others: it may have ended a transaction on its way. */
  readonly mayEndTransaction: boolean;
  /** Why the transaction cannot be run again; undefined where it can. */
  readonly unreplayable: string | undefined;
  /** What the session had and a new one has not; empty where nothing. */
  readonly sessionEffects: readonly string[];
}

export type LossPlan =
  /** It cannot have happened, or PostgreSQL's own functions alone were called: send it on a new connection. */
  | { readonly do: "send-again" }
  /** Ask the catalogue whether it can have had an effect; if not, send it again, else the outcome is unknown. */
  | { readonly do: "prove-then-send" }
  /** Force the outcome of its marker; committed: tell the result; never: send it again as the next attempt. */
  | { readonly do: "resolve-statement" }
  /** Run the recorded transaction again, then this statement. */
  | { readonly do: "replay" }
  /** As `resolve-statement`, and never: run the transaction again up to and with its COMMIT. */
  | { readonly do: "resolve-commit" }
  /** COMMIT of a transaction that wrote nothing as far as its text shows: prove that, then run it again. */
  | { readonly do: "prove-then-replay" }
  /** Without COMMIT there is no transaction: it is rolled back already. */
  | { readonly do: "tell-rolled-back" }
  | { readonly do: "tell-session-lost" }
  | { readonly do: "tell-not-replayable"; readonly why: string }
  | { readonly do: "tell-unknown" };

export function planLoss(loss: Loss): LossPlan {
  const { sentAs } = loss;
  if (sentAs === "rollback") return { do: "tell-rolled-back" };
  const isCommitInDoubt = sentAs === "commit" && loss.wasSent;
  // The outcome of what was sent comes first: state of the session does not change whether it committed.
  if (isCommitInDoubt && loss.hasMarker) return { do: "resolve-commit" };
  if (sentAs === "marked" && loss.wasSent) return { do: "resolve-statement" };
  const isHarmless = loss.unreplayable === undefined && loss.sessionEffects.length === 0 && !loss.mayHaveWritten;
  if (isCommitInDoubt && !isHarmless) return { do: "tell-unknown" };
  if (sentAs === "plain" && loss.wasSent) return { do: "tell-unknown" };
  if (loss.mayEndTransaction && loss.wasSent) return { do: "tell-unknown" };
  if (loss.sessionEffects.length > 0) return { do: "tell-session-lost" };
  if (isCommitInDoubt) return { do: "prove-then-replay" };
  if (loss.isInTransaction) {
    if (loss.unreplayable !== undefined) return { do: "tell-not-replayable", why: loss.unreplayable };
    return { do: "replay" };
  }
  // `in-transaction` with nothing answered yet: BEGIN and the statement went out together, and no COMMIT followed.
  if (!loss.wasSent || sentAs === "in-transaction") return { do: "send-again" };
  return { do: "prove-then-send" };
}
