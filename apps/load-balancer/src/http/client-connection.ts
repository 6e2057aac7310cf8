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
  /** The next answer says `Connection: close`: another balancer would serve better. */
  closesSoon = false;
  /** Something on it was refused: it ends with that answer. */
  isRefused = false;

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

  get isIdle(): boolean {
    return this.inWork.size === 0;
  }
}
