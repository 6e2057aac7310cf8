import type { Socket } from "node:net";
import type { Arrival } from "./request-head.ts";
import { schemeOf } from "./strict-transport.ts";

/** A request in work, as its connection sees it. */
export interface Abortable {
  /** The user is gone. It ends, and says so to its connection. */
  cancel(): void;
}

/** One connection of a user, with the requests that came over it and have no whole answer yet. */
export class ClientConnection implements Arrival {
  readonly clientAddress: string;
  readonly localPort: string;
  readonly scheme: "http" | "https";
  /** Oldest first; mostly one or none. */
  readonly inWork: Abortable[] = [];
  #begun = 0;
  /** Since when nothing is in work. */
  idleSinceMs: number;
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
    this.scheme = schemeOf(socket);
    this.idleSinceMs = nowMs;
  }

  get isIdle(): boolean {
    return this.inWork.length === 0;
  }

  /** The number of the request on this connection. */
  begin(request: Abortable): number {
    this.inWork.push(request);
    return ++this.#begun;
  }

  end(request: Abortable, nowMs: number): void {
    if (this.inWork.at(-1) === request) this.inWork.pop();
    else this.inWork.splice(this.inWork.indexOf(request), 1);
    this.idleSinceMs = nowMs;
  }

  /** The user is gone. */
  cancelAll(): void {
    while (this.inWork.length > 0) this.inWork[0]?.cancel();
  }

  /** Whether the answer to this request is the one to say `Connection: close`: an earlier one would cut later ones off. */
  endsWith(number: number): boolean {
    return this.closesSoon && number === this.#begun;
  }
}
