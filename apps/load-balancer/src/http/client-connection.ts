import type { Socket } from "node:net";
import type { Arrival } from "./request-head.ts";

/** A request in work, as its connection sees it. */
export interface Abortable {
  /** The user is gone. */
  cancel(): void;
}

/** One connection of a user, with the requests that came over it and have no whole answer yet. */
export class ClientConnection implements Arrival {
  readonly clientAddress: string;
  readonly localPort: string;
  readonly inWork = new Set<Abortable>();
  /** Since when nothing is in work. */
  idleSinceMs: number;
  /** The request that came last. */
  newest: Abortable | undefined;
  /** An answer shall say `Connection: close`: another balancer would serve better. */
  closesSoon = false;
  /** An answer has said so: it ends with that answer, what comes after it is not looked at. */
  isClosing = false;

  constructor(
    readonly socket: Socket,
    nowMs: number,
  ) {
    const address = socket.remoteAddress ?? "unknown";
    // IPv4 in IPv6 form is IPv4.
    this.clientAddress = address.startsWith("::ffff:") ? address.slice(7) : address;
    this.localPort = String(socket.localPort ?? "");
    this.idleSinceMs = nowMs;
  }

  /** Whether the answer to this request is the one to say `Connection: close`: those to earlier ones would cut it off. */
  endsWith(request: Abortable): boolean {
    return this.closesSoon && this.newest === request;
  }

  get isIdle(): boolean {
    return this.inWork.size === 0;
  }
}
