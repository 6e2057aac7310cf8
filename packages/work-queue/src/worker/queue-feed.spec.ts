import { bufferTarget, QueueFeed, type FeedSource } from "./queue-feed.ts";
import type { ClaimedJob } from "./running-job.ts";

const job = (n: number): ClaimedJob => ({
  id: String(n),
  type: "t",
  attempt: 1,
  attempts_left: 1,
  restartable: true,
  priority: 0,
  seq: String(n),
  enqueued_at: 0,
  payload: "null",
});

class Source implements FeedSource {
  readonly started: string[] = [];
  readonly givenBack: string[] = [];
  readonly limits: number[] = [];
  mayIt = true;
  onStart: () => void = () => undefined;
  constructor(public waiting: number) {}
  async claim(_queue: string, limit: number): Promise<ClaimedJob[]> {
    this.limits.push(limit);
    const taken = Math.min(limit, this.waiting);
    this.waiting -= taken;
    // As rows lie on disk.
    return Array.from({ length: taken }, (_, n) => job(n)).reverse();
  }
  async recover(): Promise<void> {}
  start(_queue: string, { id }: ClaimedJob): void {
    this.started.push(id);
    this.onStart();
  }
  giveBack(_queue: string, jobs: readonly ClaimedJob[]): void {
    this.givenBack.push(...jobs.map(({ id }) => id));
  }
  mayFetch(): boolean {
    return this.mayIt;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the feed of a queue", () => {
  it("has as much ahead as a tenth of a second takes, and nothing of long jobs", () => {
    expect(bufferTarget(4, 2_000)).toBe(0);
    expect(bufferTarget(500, 2_000)).toBe(50);
    expect(bufferTarget(100_000, 2_000)).toBe(2_000);
  });

  it("starts no more than its concurrency, in order", async () => {
    const source = new Source(10);
    const feed = new QueueFeed("q", 3, 2_000, source);
    feed.wake();
    await settled();
    expect(source.started).toEqual(["0", "1", "2"]);
    expect(feed.running).toBe(3);
    feed.ended();
    await settled();
    expect(feed.running).toBe(3);
  });

  it("jobs that end inside their start do not nest: ten thousand of them leave the stack alone", async () => {
    const source = new Source(10_000);
    const feed = new QueueFeed("q", 1, 2_000, source);
    source.onStart = () => feed.ended();
    feed.adopt(Array.from({ length: 10_000 }, (_, n) => job(n)));
    expect(source.started.length).toBe(10_000);
  });

  it("with concurrency 0 it fetches nothing and gives back what it has", async () => {
    const source = new Source(10);
    const feed = new QueueFeed("q", 1, 2_000, source);
    feed.adopt([job(1), job(2), job(3)]);
    source.givenBack.push(...feed.resize(0, 0).map(({ id }) => id));
    feed.wake();
    await settled();
    expect(source.limits).toEqual([]);
    expect(source.givenBack).toEqual(["2", "3"]);
  });

  it("batches grow while all of one is done before the next comes, and are given back when jobs turn out to be long", async () => {
    const source = new Source(5_000);
    const feed = new QueueFeed("q", 5, 500, source);
    let isQuick = true;
    source.onStart = () => void (isQuick && feed.ended());
    feed.wake();
    while (source.waiting > 2_000) await settled();
    expect(Math.max(...source.limits)).toBeGreaterThan(400);
    isQuick = false;
    await settled();
    feed.wake();
    await settled();
    await new Promise((resolve) => setTimeout(resolve, 600));
    const before = feed.buffered;
    source.givenBack.push(...feed.shed().map(({ id }) => id));
    expect(feed.buffered + source.givenBack.length).toBe(before);
    expect(feed.buffered).toBeLessThan(500);
  });

  it("while too much is unsettled it fetches nothing; it goes on when there is room", async () => {
    const source = new Source(10);
    source.mayIt = false;
    const feed = new QueueFeed("q", 5, 2_000, source);
    feed.wake();
    await settled();
    expect(source.limits).toEqual([]);
    source.mayIt = true;
    feed.pump();
    await settled();
    expect(feed.running).toBe(5);
  });
});
