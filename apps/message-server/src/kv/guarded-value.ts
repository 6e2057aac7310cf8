/**
 * A value in NATS KV that only the leader writes. It carries the term of its writer, each write is a compare-and-swap,
 * and a writer with an older term is refused: once a new leader has written, the old one never can again (L5).
 */
import type { KV } from "@nats-io/kv";
import type { LeaderTerm } from "@understudy/contracts";
import { StaleTermError } from "@understudy/leadership";
import { isRevisionConflict, OperationalError, pause } from "@understudy/runtime";
import type { z } from "zod";

export interface Stored<Value> {
  readonly value: Value;
  readonly revision: number;
}

const attemptsMost = 20;
const rereadMs = 2_000;

export class GuardedValue<Value extends { readonly term: number }> {
  constructor(
    private readonly kv: KV,
    private readonly key: string,
    private readonly schema: z.ZodType<Value>,
    private readonly role: string,
  ) {}

  async read(): Promise<Stored<Value> | undefined> {
    const entry = await this.kv.get(this.key);
    return entry === null || entry.operation !== "PUT"
      ? undefined
      : { value: this.schema.parse(entry.json()), revision: entry.revision };
  }

  /**
   * Writes what `change` makes of the present value; tries again from the new value when another writer of the same
   * term was faster. `change` may throw to refuse.
   * @throws StaleTermError when a newer term has written.
   */
  async update(
    leader: LeaderTerm,
    change: (current: Value | undefined) => Omit<Value, "term">,
  ): Promise<Stored<Value>> {
    for (let attempt = 0; attempt < attemptsMost; attempt++) {
      const current = await this.read();
      if (current !== undefined && current.value.term > leader.term) throw new StaleTermError(this.role, leader.term);
      const value = this.schema.parse({ ...change(current?.value), term: leader.term });
      const revision = await this.#swap(current?.revision ?? 0, value);
      if (revision !== undefined) return { value, revision };
    }
    throw new OperationalError("conflict", `${this.key} changed too often; nothing was written. Try again.`);
  }

  async #swap(expected: number, value: Value): Promise<number | undefined> {
    try {
      const text = JSON.stringify(value);
      return expected === 0 ? await this.kv.create(this.key, text) : await this.kv.update(this.key, text, expected);
    } catch (error) {
      if (isRevisionConflict(error)) return undefined;
      throw error;
    }
  }

  /** Follows the value until `signal` aborts; survives outages. `onChange` hears each revision once, in order. */
  follow(onChange: (stored: Stored<Value>) => void, signal: AbortSignal): void {
    let revision = 0;
    const take = (stored: Stored<Value> | undefined): void => {
      if (stored === undefined || stored.revision <= revision) return;
      revision = stored.revision;
      onChange(stored);
    };
    void this.#watch(take, signal);
    void this.#reread(take, signal);
  }

  async #watch(take: (stored: Stored<Value>) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const entries = await this.kv.watch({ key: this.key });
        const stop = () => entries.stop();
        signal.addEventListener("abort", stop, { once: true });
        for await (const entry of entries) {
          if (entry.operation === "PUT") take({ value: this.schema.parse(entry.json()), revision: entry.revision });
        }
        signal.removeEventListener("abort", stop);
      } catch {
        // The bucket or its leader is away: watch again after a while.
      }
      await pause(200, signal);
    }
  }

  /** A watch can be dead for a minute without a sign, when its consumer lived on a NATS node that was lost. */
  async #reread(take: (stored: Stored<Value> | undefined) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(rereadMs, signal);
      await this.read().then(take, () => undefined);
    }
  }
}
