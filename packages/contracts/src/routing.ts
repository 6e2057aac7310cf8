/** The routing table: written by the active message server, read by load balancers. */
import { z } from "zod";
import { defineEvent } from "./contract.ts";
import { instanceRef, leaderTerm, name } from "./identity.ts";

/**
 * accepting: takes new requests. suspect: last choice, it may be gone. draining: finishes what it has.
 * A lost server is not in the table.
 */
export const routingState = z.enum(["accepting", "suspect", "draining"]);
export type RoutingState = z.infer<typeof routingState>;

export const routingEntry = instanceRef.extend({
  machine: name,
  url: z.url(),
  state: routingState,
  /** Requests in work as the server's last beat told. */
  load: z.number().nonnegative(),
  /** How many requests it means to work on at once: the weight for "least loaded". */
  capacity: z.int().positive(),
});
export type RoutingEntry = z.infer<typeof routingEntry>;

export const routingTable = z.object({
  leader: leaderTerm,
  /** Rises with each change of membership or state within a term. Newer = higher (term, version). */
  version: z.int().nonnegative(),
  issuedAt: z.number(),
  servers: z.array(routingEntry),
});
export type RoutingTable = z.infer<typeof routingTable>;

/** Sent at once on a change, and every 500 ms with fresh load. The KV entry has the same value as of the last change. */
export const routingPublished = defineEvent({
  subject: "understudy.routing.table",
  sentBy: "message-server (leader)",
  event: routingTable,
});
export const stateBucket = "understudy_state";
export const routingKey = "routing";

/** True when `next` replaces `current`. */
export function supersedes(next: RoutingTable, current: RoutingTable | undefined): boolean {
  if (current === undefined) return true;
  if (next.leader.term !== current.leader.term) return next.leader.term > current.leader.term;
  if (next.version !== current.version) return next.version > current.version;
  return next.issuedAt > current.issuedAt;
}

/** Header of a 503: nothing of the request was carried out, it may be sent to another app server whatever its method. */
export const notTakenHeader = "understudy-not-taken";
/** Header of a 503: begun and broken off, outcome unknown; only a request that may be repeated may be sent again. */
export const interruptedHeader = "understudy-interrupted";
