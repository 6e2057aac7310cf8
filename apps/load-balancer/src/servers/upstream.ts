/**
 * One incarnation of an app server, as this balancer reaches it: its connections, its requests in work, and what has
 * been seen of it here. What the message server says of it comes from the routing table.
 *
 * - U1. A new incarnation is a new upstream: nothing learnt of the old one, no connection to it, is carried over.
 * - U2. Removed from the table it gets nothing new; it is closed when its last request has ended. Back in the table
 *   with the same incarnation it is used again.
 */
import type { RoutingEntry } from "@understudy/contracts";
import { Pool } from "undici";
import { leaveOutMs, type Aftermath } from "./aftermath.ts";
import type { ServerFacts } from "./choose-server.ts";
import { timedConnector } from "./connector.ts";

export interface UpstreamLimits {
  /** Connections to one app server. */
  readonly serverConnections: number;
  readonly connectTimeoutMs: number;
  readonly maxHeaderBytes: number;
}

/** Shorter than app servers keep idle connections (75 s), so that no request meets a connection being closed. */
const idleMs = 60_000;

export class Upstream implements ServerFacts {
  readonly id: string;
  readonly incarnation: string;
  readonly pool: Pool;
  state: ServerFacts["state"] = "accepting";
  capacity = 1;
  foreignLoad = 0;
  inFlight = 0;
  leftOutUntilMs = 0;
  distrustedUntilMs = 0;
  isSilent = false;
  lastHeardMs: number;
  removedAtMs = 0;

  constructor(
    entry: RoutingEntry,
    readonly url: string,
    readonly isLocal: boolean,
    limits: UpstreamLimits,
    nowMs: number,
  ) {
    this.id = entry.id;
    this.incarnation = entry.incarnation;
    this.lastHeardMs = nowMs;
    this.pool = new Pool(url, {
      connections: limits.serverConnections,
      pipelining: 1,
      // Time-outs of whole answers, and of silence, are the patrol's.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: idleMs,
      maxHeaderSize: limits.maxHeaderBytes,
      connect: timedConnector(limits.connectTimeoutMs),
    });
    this.update(entry);
  }

  update(entry: RoutingEntry): void {
    this.state = entry.state; // U2
    this.capacity = entry.capacity;
    // The reported load holds our own requests too; what is more than these are others'.
    this.foreignLoad = Math.max(0, entry.load - this.inFlight);
  }

  remove(nowMs: number): void {
    if (this.state === "removed") return;
    this.state = "removed";
    this.removedAtMs = nowMs;
  }

  suffer(aftermath: Aftermath, nowMs: number): void {
    if (aftermath === "leave-out") this.leftOutUntilMs = nowMs + leaveOutMs;
    else if (aftermath === "distrust") this.distrustedUntilMs = nowMs + leaveOutMs;
  }

  close(): void {
    void this.pool.destroy().catch(() => undefined);
  }
}
