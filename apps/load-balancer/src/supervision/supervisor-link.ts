/**
 * What passes between this balancer and whoever started it with an IPC channel: connections that a front door accepted,
 * pings, and whether more connections are welcome. Without a channel it does nothing.
 */
import { Socket } from "node:net";
import { supervisorMessage } from "@understudy/contracts";
import { tellSupervisor } from "@understudy/runtime";

export class SupervisorLink {
  #accepts: boolean | undefined;

  constructor(private readonly onConnection: (socket: Socket) => void) {}

  start(): void {
    process.on("message", this.#onMessage);
  }

  stop(): void {
    process.off("message", this.#onMessage);
  }

  /** Told when it changes. */
  setAccepts(accepts: boolean): void {
    if (accepts === this.#accepts) return;
    this.#accepts = accepts;
    tellSupervisor({ type: "accepts-connections", accepts });
  }

  readonly #onMessage = (message: unknown, handle: unknown): void => {
    const known = supervisorMessage.safeParse(message);
    if (!known.success) {
      if (handle instanceof Socket) handle.destroy();
      return;
    }
    switch (known.data.type) {
      case "ping":
        tellSupervisor({ type: "pong" });
        break;
      case "connection":
        // Undefined when the user was gone before the handle came.
        if (handle instanceof Socket) this.onConnection(handle);
        break;
      case "engine":
      case "cluster-stops":
        // For db-keepers.
        break;
    }
  };
}
