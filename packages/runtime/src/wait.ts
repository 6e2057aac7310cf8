/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener("abort", finish, { once: true });
  });
}

/** Growing, jittered waits: `firstMs`, doubling to `mostMs`, each multiplied by 0.5..1. `reset` starts again. */
export class Backoff {
  #next: number;
  constructor(
    private readonly firstMs: number,
    private readonly mostMs: number,
    private readonly random: () => number = Math.random,
  ) {
    this.#next = firstMs;
  }
  nextMs(): number {
    const wait = this.#next * (0.5 + this.random() / 2);
    this.#next = Math.min(this.#next * 2, this.mostMs);
    return wait;
  }
  reset(): void {
    this.#next = this.firstMs;
  }
}
