/**
 * Random numbers that are the same on every computer for the same seed and stream. sfc32 (Chris Doty-Humphrey's small
 * fast counter generator), its state filled by splitmix32; enough for test data, nothing else.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `stream` keeps parts independent: a warehouse added later has the data that it would have had at first. */
  constructor(seed: number, stream: number) {
    let state = (seed ^ Math.imul(stream, 0x9e3779b9)) | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) | 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    for (let round = 0; round < 12; round += 1) this.#uint32();
  }

  #uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number, both ends included. */
  integer(least: number, most: number): number {
    return least + Math.floor((this.#uint32() / 0x1_0000_0000) * (most - least + 1));
  }

  /** 1 to `count` in random order. */
  permutation(count: number): number[] {
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    for (let index = count - 1; index > 0; index -= 1) {
      const other = this.integer(0, index);
      [numbers[index], numbers[other]] = [numbers[other]!, numbers[index]!];
    }
    return numbers;
  }

  /** A tenth of 1 to `count`, selected at random. */
  tenthOf(count: number): ReadonlySet<number> {
    return new Set(this.permutation(count).slice(0, Math.round(count / 10)));
  }
}
