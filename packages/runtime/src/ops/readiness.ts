import { Injectable } from "@nestjs/common";

/** Named conditions; the instance is ready when all hold. Each part of a service sets its own. */
@Injectable()
export class Readiness {
  readonly #conditions = new Map<string, { ready: boolean; reason: string }>();
  readonly #listeners: ((ready: boolean) => void)[] = [];

  set(condition: string, ready: boolean, reason = ""): void {
    const before = this.ready;
    this.#conditions.set(condition, { ready, reason });
    if (this.ready !== before) for (const listener of this.#listeners) listener(this.ready);
  }

  /** Called when `ready` turned, not when a condition changed without turning it. */
  onChange(listener: (ready: boolean) => void): void {
    this.#listeners.push(listener);
  }

  get ready(): boolean {
    return [...this.#conditions.values()].every(({ ready }) => ready);
  }

  report(): Readonly<Record<string, { ready: boolean; reason: string }>> {
    return Object.fromEntries(this.#conditions);
  }
}
