import { Injectable } from "@nestjs/common";

/** Named conditions; the instance is ready when all hold. Each part of a service sets its own. */
@Injectable()
export class Readiness {
  readonly #conditions = new Map<string, { ready: boolean; reason: string }>();

  set(condition: string, ready: boolean, reason = ""): void {
    this.#conditions.set(condition, { ready, reason });
  }

  get ready(): boolean {
    return [...this.#conditions.values()].every(({ ready }) => ready);
  }

  report(): Readonly<Record<string, { ready: boolean; reason: string }>> {
    return Object.fromEntries(this.#conditions);
  }
}
