/**
 * A clone that is under way beside the keeper's decisions: at most one, called off when another step is due.
 *
 * A former primary's data is rewound instead, where there is pg_rewind and less is to be copied. Whoever decides need not
 * know: both end with a standby of the same source, and a rewind that fails in any way is followed by the clone.
 */
import {
  cloneStandby,
  postgresBinaries,
  rewindStandby,
  type PostgresAddress,
  type RewindStep,
} from "@understudy/engines";
import { type Log } from "@understudy/runtime";
import { provenLogin, type Login } from "../postgres/sessions.ts";

export interface CloneTarget {
  readonly member: string;
  readonly dataDir: string;
  readonly login: Login;
}

export interface CloneSource {
  readonly from: string;
  readonly address: PostgresAddress;
  readonly systemIdentifier: string | undefined;
  /** The data that is there is whole, was this source's database's primary once and has parted since. */
  readonly isFormerPrimary: boolean;
}

const loginMs = 5_000;

interface Job {
  readonly from: string;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export class CloneJob {
  #job: Job | undefined;
  #rewind: RewindStep | undefined;
  #progress: { doneBytes: number; totalBytes: number } | undefined;
  #failures = 0;
  /** Why the last clone failed. */
  #said: string | undefined;

  constructor(
    private readonly target: CloneTarget,
    private readonly onEnd: () => void,
    private readonly log: Log,
  ) {}

  get from(): string | undefined {
    return this.#job?.from;
  }

  /** In a sentence, what it does beside copying everything; undefined for a plain clone. */
  get note(): string | undefined {
    return this.#rewind === undefined ? undefined : `rewinds to the history of ${this.from} (${this.#rewind})`;
  }

  get progress(): { doneBytes: number; totalBytes: number } | undefined {
    return this.#progress;
  }

  /** Clones that failed one after the other. */
  get failures(): number {
    return this.#failures;
  }

  start(source: CloneSource): void {
    const { from } = source;
    const abort = new AbortController();
    const done = this.#copy(source, abort.signal).then(
      () => {
        this.#failures = 0;
        this.#said = undefined;
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        this.#failures += 1;
        // Tried again and again: each reason is said once in a row.
        const reason = (error as Error).message;
        this.log[reason === this.#said ? "debug" : "warn"]({ from, reason }, "the clone failed");
        this.#said = reason;
      },
    );
    this.#job = { from, abort, done };
    void done.then(() => {
      this.#job = undefined;
      this.#progress = undefined;
      this.onEnd();
    });
  }

  async #copy(source: CloneSource, signal: AbortSignal): Promise<void> {
    const login = await provenLogin(source.address, this.target.login, loginMs);
    if (source.isFormerPrimary && (await this.#isRewound(source, login, signal))) return;
    signal.throwIfAborted();
    const startedAt = performance.now();
    await cloneStandby({
      dataDir: this.target.dataDir,
      from: source.address,
      replication: login,
      authority: login.authority,
      label: this.target.member,
      signal,
      systemIdentifier: source.systemIdentifier,
      onProgress: (doneBytes, totalBytes) => (this.#progress = { doneBytes, totalBytes }),
    });
    this.log.info(
      { from: source.from, bytes: this.#progress?.doneBytes, ms: Math.round(performance.now() - startedAt) },
      "cloned",
    );
  }

  async #isRewound({ from, address }: CloneSource, login: Login, signal: AbortSignal): Promise<boolean> {
    if (postgresBinaries().rewind === undefined) return false;
    const { member, dataDir } = this.target;
    const startedAt = performance.now();
    try {
      const { copiedBytes, sourceBytes } = await rewindStandby({
        dataDir,
        from: address,
        login,
        authority: login.authority,
        label: member,
        signal,
        onStep: (step) => {
          this.#rewind = step;
          this.log.info({ from, step }, "rewinding");
        },
        onProgress: (doneBytes, totalBytes) => (this.#progress = { doneBytes, totalBytes }),
        onLine: (line) => this.log.info({ from }, line),
      });
      const ms = Math.round(performance.now() - startedAt);
      this.log.info({ from, bytes: copiedBytes, ofBytes: sourceBytes, ms }, "rewound");
      return true;
    } catch (error) {
      if (!signal.aborted) this.log.warn({ from, reason: (error as Error).message }, "not rewound, so it is cloned");
      return false;
    } finally {
      this.#rewind = undefined;
      this.#progress = undefined;
    }
  }

  /** Resolves when nothing of it works any more. */
  async cancel(): Promise<void> {
    this.#job?.abort.abort();
    await this.#job?.done;
  }
}
