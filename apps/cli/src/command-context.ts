import { ClusterAccess, type AccessOptions } from "./access/cluster-access.ts";
import type { Output } from "./output.ts";
import type { Surroundings } from "./surroundings.ts";

/** What every command gets: where it writes, what surrounds it, and the cluster once it asks for it. */
export class CommandContext {
  #access: ClusterAccess | undefined;

  constructor(
    readonly output: Output,
    readonly surroundings: Surroundings,
    private readonly options: AccessOptions,
  ) {}

  /** @throws CallerError when there is no cluster to speak to. */
  cluster(): ClusterAccess {
    this.#access ??= ClusterAccess.choose(this.options, this.surroundings, (text) => this.output.note(text));
    return this.#access;
  }

  get signal(): AbortSignal {
    return this.surroundings.signal;
  }

  async close(): Promise<void> {
    await this.#access?.close();
  }
}
