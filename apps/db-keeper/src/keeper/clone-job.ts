/** A clone that is under way beside the keeper's decisions: at most one, called off when another step is due. */
import { cloneStandby, type PostgresAddress } from "@understudy/engines";
import { type Log } from "@understudy/runtime";
import type { Login } from "../postgres/sessions.ts";

export interface CloneTarget {
  readonly member: string;
  readonly dataDir: string;
  readonly login: Login;
}

interface Job {
  readonly from: string;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export class CloneJob {
  #job: Job | undefined;
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

  get progress(): { doneBytes: number; totalBytes: number } | undefined {
    return this.#progress;
  }

  /** Clones that failed one after the other. */
  get failures(): number {
    return this.#failures;
  }

  start(from: string, address: PostgresAddress, systemIdentifier: string | undefined): void {
    const abort = new AbortController();
    const startedAt = performance.now();
    const done = cloneStandby({
      dataDir: this.target.dataDir,
      from: address,
      replication: this.target.login,
      authority: this.target.login.authority,
      label: this.target.member,
      signal: abort.signal,
      systemIdentifier,
      onProgress: (doneBytes, totalBytes) => (this.#progress = { doneBytes, totalBytes }),
    }).then(
      () => {
        this.#failures = 0;
        this.#said = undefined;
        this.log.info(
          { from, bytes: this.#progress?.doneBytes, ms: Math.round(performance.now() - startedAt) },
          "cloned",
        );
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

  /** Resolves when nothing of it works any more. */
  async cancel(): Promise<void> {
    this.#job?.abort.abort();
    await this.#job?.done;
  }
}
