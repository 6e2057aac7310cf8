import type { IncomingMessage, ServerResponse } from "node:http";
import { Counter, Gauge } from "prom-client";

export interface WorkedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** held: not begun; running: given to an application; answered: by the app server itself. */
  state: "held" | "running" | "answered";
}

const inWork = new Gauge({ name: "understudy_app_server_requests_in_work", help: "User requests held or running." });
const answered = new Counter({
  name: "understudy_app_server_requests_total",
  help: "User requests by what became of them.",
  labelNames: ["outcome"] as const,
});

/** The user requests that this process has: its load, and what a drain waits for. */
export class RequestsInWork {
  readonly #requests = new Set<WorkedRequest>();
  #whenIdle: (() => void)[] = [];

  get count(): number {
    return this.#requests.size;
  }

  get all(): readonly WorkedRequest[] {
    return [...this.#requests];
  }

  /** Keeps `worked` until its answer has left or its connection is gone. */
  add(worked: WorkedRequest): void {
    this.#requests.add(worked);
    inWork.set(this.count);
    worked.response.once("close", () => {
      this.#requests.delete(worked);
      inWork.set(this.count);
      if (this.count > 0) return;
      for (const resolve of this.#whenIdle.splice(0)) resolve();
    });
  }

  countOutcome(outcome: "taken" | "not-taken" | "interrupted"): void {
    answered.inc({ outcome });
  }

  /** Resolves when nothing is in work, or after `atMostMs`; true when nothing is left. */
  async idle(atMostMs: number): Promise<boolean> {
    if (this.count > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, atMostMs);
        this.#whenIdle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.count === 0;
  }
}
