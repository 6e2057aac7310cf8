import { HoldQueue, type Held } from "./hold-queue.ts";

class Entry implements Held<string> {
  holdDeadlineMs = 0;
  server: string | undefined;
  readonly events: string[] = [];
  constructor(
    readonly name: string,
    readonly log: string[],
    readonly onProceed: () => void = () => undefined,
  ) {}
  chooseServer(): string | undefined {
    return this.server;
  }
  proceedWith(server: string): void {
    this.log.push(`${this.name} to ${server}`);
    this.onProceed();
  }
  onHoldExpired(): void {
    this.log.push(`${this.name} expired`);
  }
}
const limits = { holdMs: 100, holdRequests: 3 };

describe("HoldQueue", () => {
  let log: string[];
  let queue: HoldQueue<string>;
  beforeEach(() => {
    log = [];
    queue = new HoldQueue();
  });
  const add = (name: string, nowMs = 0) => {
    const entry = new Entry(name, log);
    queue.add(entry, nowMs, limits);
    return entry;
  };

  it("lets go in order of arrival, and who finds no server keeps its place", () => {
    const [a, b, c] = [add("a"), add("b"), add("c")];
    a.server = "x";
    c.server = "x";
    queue.release();
    expect(log).toEqual(["a to x", "c to x"]);
    expect(queue.size).toBe(1);
    b.server = "y";
    queue.release();
    expect(log.at(-1)).toBe("b to y");
    expect(queue.size).toBe(0);
  });

  it("takes no more than it may hold", () => {
    for (const name of ["a", "b", "c"]) add(name);
    expect(queue.add(new Entry("d", log), 0, limits)).toBe(false);
    expect(queue.size).toBe(3);
  });

  it("lets each go at its own deadline, which a second wait does not move", () => {
    const a = add("a", 0);
    add("b", 50);
    queue.remove(a);
    expect(queue.add(a, 60, limits)).toBe(true);
    queue.expire(99);
    expect(log).toEqual([]);
    queue.expire(100);
    expect(log).toEqual(["a expired"]);
    queue.expire(150);
    expect(log).toEqual(["a expired", "b expired"]);
    expect(queue.add(a, 160, limits)).toBe(false);
  });

  it("offers one that fails at once and comes back not again in the same release", () => {
    const entry: Entry = new Entry("a", log, () => queue.add(entry, 0, limits));
    entry.server = "x";
    queue.add(entry, 0, limits);
    queue.release();
    expect(log).toEqual(["a to x"]);
    expect(queue.size).toBe(1);
  });

  it("forgets who left", () => {
    const a = add("a");
    a.server = "x";
    queue.remove(a);
    queue.release();
    queue.expire(1_000);
    expect(log).toEqual([]);
  });
});
