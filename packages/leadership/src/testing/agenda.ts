/** What happens when, in simulated time: a binary heap. What was entered first for one instant happens first. */
interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

export class Agenda {
  readonly #heap: Entry[] = [];
  #entered = 0;
  #now = 0;
  #done = 0;

  get now(): number {
    return this.#now;
  }

  /** How many entries have happened. */
  get done(): number {
    return this.#done;
  }

  at(time: number, run: () => void): void {
    const entry = { at: time > this.#now ? time : this.#now, order: this.#entered++, run };
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Entry;
      if (isBefore(parent, entry)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = entry;
  }

  /** Lets everything happen up to `end`. */
  runUntil(end: number): void {
    const heap = this.#heap;
    for (let first = heap[0]; first !== undefined && first.at <= end; first = heap[0]) {
      this.#now = first.at;
      this.#done += 1;
      this.#removeFirst();
      first.run();
    }
    this.#now = end;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Entry, heap[below] as Entry)) below += 1;
      if (isBefore(last, heap[below] as Entry)) break;
      heap[place] = heap[below] as Entry;
      place = below;
    }
    heap[place] = last;
  }
}
