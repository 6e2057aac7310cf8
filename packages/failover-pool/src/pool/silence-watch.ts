/**
 * Notices a server that says nothing (a frozen process, a machine that fell silent): no error ever comes from it.
 *
 * A query, or an opening connection, that stays unanswered for about a second makes the finder ask all hosts once;
 * asked again after 2, 4, 8 s and so on while it lasts. Nothing is cut here: only when another primary is proven does
 * the pool give up its connections to the old one. So a long-running query on a healthy primary costs a few questions.
 */
import type { ServerConnection } from "../connection/server-connection.ts";

export const lookEveryMs = 500;
/** Looks after which the hosts are asked: about 1, 2, 4, 8, 16 s; then every 15 s. */
const askAt = new Set([2, 4, 8, 16, 32]);
const thenEvery = 30;

export function isTimeToAsk(unansweredLooks: number): boolean {
  return askAt.has(unansweredLooks) || (unansweredLooks > 32 && unansweredLooks % thenEvery === 0);
}

/** One look at all connections; true when somebody has waited so long that the hosts should be asked. */
export function lookForSilence(connections: Iterable<ServerConnection>): boolean {
  let shallAsk = false;
  for (const connection of connections) {
    // The very object of the query tells whether it is still the same one.
    const unanswered: unknown = connection.isAdmitted ? connection.client._getActiveQuery() : connection;
    if (unanswered === null || unanswered === undefined || unanswered !== connection.unanswered) {
      connection.unanswered = unanswered;
      connection.unansweredLooks = 0;
      continue;
    }
    if (isTimeToAsk(++connection.unansweredLooks)) shallAsk = true;
  }
  return shallAsk;
}
