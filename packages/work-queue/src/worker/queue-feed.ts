/**
 * One queue's jobs on their way to this worker: fetched in batches, buffered, started while there is room.
 *
 * It owns the buffer and the number of running jobs. The buffer adapts: as many jobs as were started in the last tenth
 * of a second, so that a worker of trivial jobs fetches thousands at once and one of long jobs hoards none.
 *
 * One fetch at a time. After a fetch whose answer was lost, it first asks what it holds: rows that were claimed for it
 * are neither forgotten nor claimed twice.
 */
import type { ClaimedJob } from "./running-job.ts";

export interface FeedSource {
  /** At most `limit` jobs, claimed for this worker. */
  claim(queue: string, limit: number): Promise<ClaimedJob[]>;
  /** Resolves when it makes sense to ask again; what was claimed unseen comes through `adopt`. */
  recover(queue: string, error: unknown): Promise<void>;
  start(queue: string, job: ClaimedJob): void;
  /** Fetched, and not to be started here after all. */
  giveBack(queue: string, jobs: readonly ClaimedJob[]): void;
  /** False: too much is waiting to be settled, or nothing may be fetched at all. */
  mayFetch(): boolean;
}

const aheadSeconds = 0.1;
const tellingSeconds = 0.5;

/** How many jobs to have beyond those that run. Pure. */
export function bufferTarget(startedPerSecond: number, bufferMax: number): number {
  return Math.min(bufferMax, Math.floor(startedPerSecond * aheadSeconds));
}

export class QueueFeed {
  #buffer: ClaimedJob[] = [];
  #next = 0;
  #running = 0;
  #isFetching = false;
  #isPumping = false;
  #mayHaveMore = false;
  #isStopped = false;
  #target = 0;
  #started = 0;
  #measuredAtMs = performance.now();

  constructor(
    readonly name: string,
    private concurrency: number,
    private bufferMax: number,
    private readonly source: FeedSource,
  ) {}

  get running(): number {
    return this.#running;
  }
  get buffered(): number {
    return this.#buffer.length - this.#next;
  }

  has(id: string): boolean {
    return this.#buffer.some((job) => job.id === id);
  }

  /** There may be something to fetch. */
  wake(): void {
    this.#mayHaveMore = true;
    this.pump();
  }

  /** A run has ended, or was given up. */
  ended(): void {
    this.#running--;
    this.pump();
  }

  /** Claimed for this worker without its knowledge. */
  adopt(jobs: readonly ClaimedJob[]): void {
    this.#buffer.push(...jobs);
    this.pump();
  }

  /** Starts what is buffered, fetches what is missing. */
  pump(): void {
    // A handler that returns at once ends inside `start`: the loop below goes on with the next, not a deeper one.
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#startBuffered();
    this.#isPumping = false;
    if (this.#isFetching || this.#isStopped || !this.#mayHaveMore || !this.source.mayFetch()) return;
    if (this.concurrency === 0) return;
    const free = this.concurrency - this.#running;
    if (this.#target > 0) this.#target = Math.min(this.#target, this.#targetNow());
    // Half empty: one statement for many.
    if (this.buffered > this.#target / 2 || (free <= 0 && this.buffered >= this.#target)) return;
    const limit = Math.max(0, free) + this.#target - this.buffered;
    if (limit > 0) void this.#fetch(limit);
  }

  #startBuffered(): void {
    while (!this.#isStopped && this.#running < this.concurrency && this.#next < this.#buffer.length) {
      const job = this.#buffer[this.#next++] as ClaimedJob;
      if (this.#next === this.#buffer.length) {
        this.#buffer = [];
        this.#next = 0;
      }
      this.#running++;
      this.#started++;
      this.source.start(this.name, job);
    }
  }

  async #fetch(limit: number): Promise<void> {
    this.#isFetching = true;
    // A wake-up that comes from now on means another look.
    this.#mayHaveMore = false;
    try {
      const jobs = await this.source.claim(this.name, limit);
      const isFull = jobs.length === limit;
      if (isFull) this.#mayHaveMore = true;
      // All were done before more came: the database, not the handlers, sets the pace, and larger batches help.
      const hasStarved = isFull && this.buffered === 0 && this.#running < this.concurrency;
      const grown = hasStarved ? Math.min(this.bufferMax, 2 * Math.max(limit, this.#target)) : 0;
      this.#measure();
      this.#target = Math.max(this.#target, grown);
      if (jobs.length > 1) jobs.sort(inOrder);
      if (this.#next > 0) {
        this.#buffer = this.#buffer.slice(this.#next);
        this.#next = 0;
      }
      for (const job of jobs) this.#buffer.push(job);
      if (this.concurrency === 0) this.source.giveBack(this.name, this.#takeBuffered());
    } catch (error) {
      this.#mayHaveMore = true;
      await this.source.recover(this.name, error);
    } finally {
      this.#isFetching = false;
    }
    this.pump();
  }

  /** By what was started since the last measurement; it falls while nothing is. */
  #targetNow(): number {
    const seconds = (performance.now() - this.#measuredAtMs) / 1000;
    // Too short to tell: a fetch alone may take that long.
    if (seconds < tellingSeconds) return this.#target;
    return bufferTarget(this.#started / seconds, this.bufferMax);
  }

  #measure(): void {
    const now = performance.now();
    const seconds = Math.max(1e-4, (now - this.#measuredAtMs) / 1000);
    this.#target = bufferTarget(this.#started / seconds, this.bufferMax);
    this.#started = 0;
    this.#measuredAtMs = now;
  }

  /** What has come to be too much, because its jobs take longer than those before: for others to have. */
  shed(): ClaimedJob[] {
    if (this.buffered === 0) return [];
    this.#target = Math.min(this.#target, this.#targetNow());
    const keep = this.#next + Math.max(this.#target, 1);
    return this.#buffer.length > 2 * keep ? this.#buffer.splice(keep) : [];
  }

  /** Other limits from now on. Returns what it may no longer start. */
  resize(concurrency: number, bufferMax: number): ClaimedJob[] {
    this.concurrency = concurrency;
    this.bufferMax = bufferMax;
    return concurrency === 0 ? this.#takeBuffered() : [];
  }

  /** Starts and fetches nothing more; returns what was fetched and never started. */
  stop(): ClaimedJob[] {
    this.#isStopped = true;
    return this.#takeBuffered();
  }

  #takeBuffered(): ClaimedJob[] {
    const left = this.#buffer.slice(this.#next);
    this.#buffer = [];
    this.#next = 0;
    return left;
  }

  /** Nothing is being fetched (any more). */
  get isQuiet(): boolean {
    return !this.#isFetching;
  }
}

/** Rows come back in the order in which they lie on disk. */
const inOrder = (one: ClaimedJob, other: ClaimedJob): number =>
  other.priority - one.priority || Number(one.seq) - Number(other.seq);
