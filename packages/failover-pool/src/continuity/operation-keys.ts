/**
 * Keys of operations: a UUID (version 8) of which the front is the pool's own and random, and the last 48 bits count.
 *
 * So the keys of one pool are one range of the marker table's index, in the order in which they were made: markers
 * are inserted side by side, and "all that is settled" is one range to delete (`marker-table.ts`).
 */
import { randomBytes } from "node:crypto";

export class OperationKeys {
  readonly #front: string;
  #next = 1;

  constructor() {
    const hex = randomBytes(10).toString("hex");
    // 60 random bits, the version; the variant, 14 random bits.
    this.#front = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-a${hex.slice(15, 18)}-`;
  }

  next(): string {
    return this.#front + (this.#next++).toString(16).padStart(12, "0");
  }

  /** The next that will be made. */
  get upcoming(): number {
    return this.#next;
  }

  keyOf(sequence: number): string {
    return this.#front + sequence.toString(16).padStart(12, "0");
  }

  sequenceOf(key: string): number {
    return Number.parseInt(key.slice(-12), 16);
  }
}
