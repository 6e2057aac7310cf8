/** Which machines are cut off, and the telling of it to the process `network`. */
import type { PlannedLink } from "./plan.ts";
import { networkReport, type NetworkWish } from "./network.ts";

interface Awaited {
  readonly cut: string;
  readonly resolve: () => void;
}

export class MachineCuts {
  readonly #cut = new Set<string>();
  #awaited: Awaited[] = [];

  constructor(
    private readonly links: readonly PlannedLink[],
    private readonly send: (wish: NetworkWish) => boolean,
  ) {}

  isCut(machine: string): boolean {
    return this.#cut.has(machine);
  }

  /** Changes the state of a machine; false when it was so already. */
  set(machine: string, cut: boolean): boolean {
    if (this.#cut.has(machine) === cut) return false;
    if (cut) this.#cut.add(machine);
    else this.#cut.delete(machine);
    this.tell();
    return true;
  }

  /** Says how it should be: at each change, and when the network process has started anew. */
  tell(): void {
    this.send({ type: "network-wish", links: [...this.links], cut: [...this.#cut] });
  }

  /** Resolves when the links are as wished now; also after `timeoutMs`, when the network process is away. */
  applied(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#awaited.push({
        cut: [...this.#cut].join(),
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      });
    });
  }

  /** A message of the network process; true when it told that its links stand. */
  onMessage(message: unknown): boolean {
    const report = networkReport.safeParse(message);
    if (!report.success) return false;
    const cut = report.data.cut.join();
    for (const awaited of this.#awaited) if (awaited.cut === cut) awaited.resolve();
    this.#awaited = this.#awaited.filter((awaited) => awaited.cut !== cut);
    return true;
  }
}
