/** Small, fast, repeatable random numbers (mulberry32): a simulation must run the same way again from its seed. */
// Looked up once: in jest's own context each use of a global costs more than the arithmetic.
const { floor, imul } = Math;

export class SeededRandom {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 0 <= x < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  chance(percent: number): boolean {
    return percent > 0 && this.next() * 100 < percent;
  }

  index(length: number): number {
    return floor(this.next() * length);
  }
}
