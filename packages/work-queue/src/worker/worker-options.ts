import type { JobHandler } from "../job/job-definition.ts";
import type { WorkQueue } from "../queue/work-queue.ts";
import type { ServiceHandler } from "../services/service-definition.ts";

export interface WorkerQueue {
  readonly name: string;
  /** Jobs that run at the same time. */
  readonly concurrency: number;
  /** Jobs that may be fetched beyond those that run; the worker takes as many as it needs for a tenth of a second. 2,000. */
  readonly bufferMax?: number;
}

export interface WorkerServices {
  readonly queue: string;
  /** Services that this worker runs at most. */
  readonly most: number;
  readonly handlers: readonly ServiceHandler[];
}

export interface WorkerOptions {
  readonly work: WorkQueue;
  /**
   * Who holds the jobs: an id that stays, such as app-server-b. With `incarnation` (a UUID, new for each life) a lost
   * worker stays lost and the application makes a new one; without it the worker takes new ones itself.
   */
  readonly holder: { readonly id: string; readonly incarnation?: string };
  readonly queues: readonly WorkerQueue[];
  readonly handlers: readonly JobHandler[];
  readonly services?: WorkerServices;
  /** Fires schedules too; any number of workers may. True. */
  readonly runsSchedules?: boolean;
  /**
   * Who notices that a worker is gone. `peers`: the other workers, by its session's lock in PostgreSQL and its silence.
   * `application`: nobody here; a message server calls `loseHolder`. peers.
   */
  readonly guardedBy?: "peers" | "application";
  /** A guarded worker that shows no sign of life for so long is lost. 5,000. */
  readonly silenceMs?: number;
  /** Looks for jobs without being woken, the safety net. 2,000. */
  readonly pollMs?: number;
  /** How long an aborted handler may take to end before it is given up. 5,000. */
  readonly graceMs?: number;
  /** Threads for handlers `handledInThread`. 1, if there are such handlers. */
  readonly threads?: number;
  /** An event loop that stands still for so long is reported, with the handler; 0: never. 1,000. */
  readonly blockedAfterMs?: number;
}

export interface WorkerFigures {
  readonly state: "new" | "running" | "lost" | "stopping" | "stopped";
  readonly running: number;
  /** Fetched and not yet started. */
  readonly buffered: number;
  readonly services: number;
  readonly completed: number;
  readonly retried: number;
  readonly failed: number;
  readonly parked: number;
  readonly cancelled: number;
  /** Completions that came from somebody who no longer held the job. */
  readonly refused: number;
  /** Handlers that did not end when they were told to. */
  readonly abandoned: number;
}

export interface WorkerEvents {
  /** This incarnation may do nothing more; its handlers are aborted. */
  lost: [reason: string];
  /** It goes on under a new incarnation. */
  renewed: [incarnation: string];
  completed: [job: EndedRun];
  /** After its last attempt. */
  failed: [job: EndedRun & { readonly reason: string }];
  retried: [job: EndedRun & { readonly reason: string; readonly waitMs: number }];
  /** No worker knows its type. */
  parked: [job: { readonly id: string; readonly queue: string; readonly type: string }];
  refused: [job: { readonly id: string }];
  /** A service threw, or ended by itself; it is started again. */
  serviceFailed: [service: { readonly name: string; readonly error: Error }];
  /** The event loop stood still. */
  blocked: [block: LoopBlock];
  /** Fellow worker declared lost by this one. */
  peerLost: [peer: { readonly incarnation: string; readonly id: string; readonly reason: string }];
  databaseAway: [error: Error];
  databaseBack: [];
}

export interface EndedRun {
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  readonly attempt: number;
  readonly ranMs: number;
  readonly waitedMs: number;
}

export interface LoopBlock {
  readonly forMs: number;
  /** The job's type, where it is certain. */
  readonly type?: string;
  /** Types of all jobs that were running. */
  readonly running: readonly string[];
  /** Innermost first: "function (file:line)". */
  readonly stack: readonly string[];
}
