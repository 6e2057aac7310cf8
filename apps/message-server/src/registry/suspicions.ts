import { Injectable } from "@nestjs/common";

/** App-server incarnations under suspicion: balancers use them last. Nothing irreversible follows from it. */
@Injectable()
export class Suspicions {
  readonly #suspects = new Set<string>();

  has(incarnation: string): boolean {
    return this.#suspects.has(incarnation);
  }

  /** True when this changed something. */
  set(incarnation: string, isSuspect: boolean): boolean {
    if (isSuspect === this.#suspects.has(incarnation)) return false;
    if (isSuspect) this.#suspects.add(incarnation);
    else this.#suspects.delete(incarnation);
    return true;
  }
}
