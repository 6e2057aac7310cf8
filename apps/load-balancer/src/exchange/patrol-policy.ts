/** What to do with a request that waits for its app server. Pure; asked for each one several times a second. */
import type { ServerFacts } from "../servers/choose-server.ts";

export interface WaitingFacts {
  readonly server: ServerFacts["state"];
  /** How long the server has been out of the routing table; 0 while it is in it. */
  readonly removedForMs: number;
  /** How long the server has said nothing on any connection. */
  readonly serverSilentForMs: number;
  readonly attemptAgeMs: number;
  readonly requestAgeMs: number;
  readonly hasAnswerBegun: boolean;
  readonly isRepeatable: boolean;
  /** The same request is at a second server already. */
  readonly hasRival: boolean;
}

export interface PatrolLimits {
  /** A server that says nothing for so long gets no more patience: its requests are sent to another one too. */
  readonly attemptMs: number;
  /** How long a server that left the routing table may still answer. */
  readonly graceMs: number;
  /** Longest time for a whole answer. */
  readonly answerMs: number;
}

export type PatrolVerdict =
  | "wait"
  /** Send it to a second server too; the first answer counts. */
  | "hedge"
  /** The server does not answer any more. */
  | "give-up-server"
  | "time-out";

/**
 * A slow answer of a server that otherwise speaks is no failure: only silence of the whole server is, or the message
 * server's word. A hedge keeps the first attempt running, because a server under suspicion is mostly well.
 */
export function patrolVerdict(facts: WaitingFacts, limits: PatrolLimits): PatrolVerdict {
  if (facts.requestAgeMs > limits.answerMs) return "time-out";
  if (facts.server === "removed" && facts.removedForMs > limits.graceMs) {
    // An answer on its way from a server that merely left goes on while bytes come.
    if (!facts.hasAnswerBegun || facts.serverSilentForMs > limits.graceMs) return "give-up-server";
  }
  if (facts.hasAnswerBegun || facts.hasRival || !facts.isRepeatable) return "wait";
  if (facts.server === "removed" || facts.server === "suspect") return "hedge";
  const patienceMs = Math.min(facts.attemptAgeMs, facts.serverSilentForMs);
  return patienceMs > limits.attemptMs ? "hedge" : "wait";
}
