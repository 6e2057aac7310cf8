/**
 * One incarnation of a worker, from its registration to its end: left, or lost. It composes the parts and owns the
 * timers that ask them to look.
 *
 * Invariants:
 * - Q2: every claim and every end of a run carries this incarnation and the run's attempt.
 * - Q3: from `lose` on, `isOver` is true: handlers are aborted, nothing of this life is written any more. A new life
 *   has its own parts and shares nothing with this one.
 */
import { setTimeout as wait } from "node:timers/promises";
import { retryWaitMs } from "../job/retry-wait.ts";
import { asQueueError, JobCancelledError, StandingLostError, WorkerStoppingError } from "../queue-errors.ts";
import { rowsOf, type QueuePool } from "../queue/queue-pool.ts";
import { hintOf } from "../queue/wake-up.ts";
import { ScheduleRunner } from "../schedules/schedule-runner.ts";
import { ServiceRunner } from "../services/service-runner.ts";
import { HolderSession } from "./holder-session.ts";
import { JobRunner } from "./job-runner.ts";
import { judgePeers, type PeerMemory, type SeenHolder } from "./judge-peers.ts";
import { QueueFeed } from "./queue-feed.ts";
import type { ClaimedJob, RunningJob, RunOwner } from "./running-job.ts";
import { Settler, type Settlement } from "./settler.ts";
import type { ThreadPool } from "./thread-pool.ts";
import type { WorkerOptions, WorkerQueue } from "./worker-options.ts";

export interface LifeReport {
  lost(error: StandingLostError): void;
  settled(settlement: Settlement): void;
  refused(settlement: Settlement): void;
  abandoned(run: RunningJob): void;
  serviceFailed(name: string, error: Error): void;
  peerLost(peer: { readonly incarnation: string; readonly id: string; readonly reason: string }): void;
  databaseFailed(error: unknown): void;
  databaseAnswered(): void;
}

/** More ended runs than this unsaid: fetch no more until the database has caught up. */
const mostUnsettled = 6_000;
const beatMs = 1_000;
const progressEveryMs = 500;
const shedEveryMs = 300;
const lookAtPeersEveryMs = 150;
const sweepEveryMs = 5_000;
const pruneEveryMs = 30_000;
const prunedAtOnce = 2_000;
const promotedAtOnce = 1_000;
const waits = { firstMs: 20, factor: 2, maxMs: 1_000, jitter: 0.5 };

const bufferMaxStandard = 2_000;

/** Each timer a little different on each worker, so that they do not all ask at once. */
const spread = (ms: number): number => ms * (0.9 + Math.random() * 0.2);

export class WorkerLife implements RunOwner {
  readonly schema: string;
  readonly runner: JobRunner;
  readonly services: ServiceRunner | undefined;
  readonly #pool: QueuePool;
  readonly #settler: Settler;
  readonly #session: HolderSession;
  readonly #schedules: ScheduleRunner | undefined;
  readonly #feeds = new Map<string, QueueFeed>();
  /** Types that others run and this worker does not, per queue: not claimed again and again. */
  readonly #foreign = new Map<string, Set<string>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #dueTimer: NodeJS.Timeout | undefined;
  #isOver = false;
  #isStopping = false;
  #peers: PeerMemory | undefined;
  #unsubscribe: (() => void) | undefined;
  #isPromoting = false;
  #promoteAgain = { due: false, lanes: false };

  constructor(
    readonly incarnation: string,
    private readonly options: WorkerOptions,
    private readonly threads: ThreadPool,
    private readonly report: LifeReport,
  ) {
    const { work, services, handlers, graceMs = 5_000, guardedBy = "peers" } = options;
    this.#pool = work.pool;
    this.schema = work.schema;
    this.#settler = new Settler(this.#pool, this.schema, incarnation, {
      settled: (settlement) => report.settled(settlement),
      refused: (settlement) => report.refused(settlement),
      hasRoom: () => {
        for (const feed of this.#feeds.values()) feed.pump();
      },
      databaseFailed: (error) => this.#failed(error),
      databaseAnswered: () => report.databaseAnswered(),
    });
    const byType = new Map(
      handlers.map((handler) => [`${handler.definition.queue} ${handler.definition.type}`, handler]),
    );
    this.runner = new JobRunner(this, byType, graceMs, {
      settle: (settlement) => this.#settle(settlement),
      freed: (queue) => this.#feeds.get(queue)?.ended(),
      isStillRunning: (run) => this.#isStillRunning(run),
      abandoned: (run) => {
        threads.terminate(run);
        report.abandoned(run);
      },
      runInThread: (module, payload, run) => threads.run(module, payload, run),
    });
    if (services !== undefined)
      this.services = new ServiceRunner(this.#pool, this.schema, incarnation, services, {
        databaseFailed: (error) => this.#failed(error),
        failed: (name, error) => report.serviceFailed(name, asError(error)),
      });
    if (options.runsSchedules !== false)
      this.#schedules = new ScheduleRunner(
        this.#pool,
        this.schema,
        () => undefined,
        (error) => this.#failed(error),
      );
    this.#session = new HolderSession(
      this.#pool,
      { schema: this.schema, incarnation, isGuarded: guardedBy === "peers", beatMs },
      {
        heard: (message) => this.#heard(message),
        opened: () => this.#wakeAll(),
        beaten: ({ standing, cancelling }) => this.#beaten(standing, cancelling),
        databaseFailed: (error) => this.#failed(error),
      },
    );
  }

  get isOver(): boolean {
    return this.#isOver;
  }
  get buffered(): number {
    return [...this.#feeds.values()].reduce((sum, feed) => sum + feed.buffered, 0);
  }

  noteProgress(run: RunningJob, document: string): void {
    this.#settler.noteProgress(run, document);
  }

  /** Registers and begins. @throws StandingLostError when the incarnation was declared lost */
  async start(): Promise<void> {
    await this.#register();
    await this.#session.start();
    if (this.#isOver) return;
    this.#unsubscribe = this.options.work.wakeUp?.subscribe((message) => this.#heard(message));
    const { pollMs = 2_000, guardedBy = "peers" } = this.options;
    this.#every(pollMs, () => this.#wakeAll());
    this.#every(progressEveryMs, () => this.#settler.sendProgress());
    this.#every(shedEveryMs, () => {
      for (const [queue, feed] of this.#feeds) this.#giveBack(queue, feed.shed());
    });
    this.#every(sweepEveryMs, () => this.options.work.holders.sweep());
    this.#every(pruneEveryMs, () => this.#prune());
    if (guardedBy === "peers") this.#every(lookAtPeersEveryMs, () => this.#lookAtPeers());
    this.setQueues(this.options.queues);
    this.#promote({ due: true, lanes: true });
    this.services?.wake();
    this.#schedules?.wake();
  }

  async #register(): Promise<void> {
    const { holder, handlers, guardedBy = "peers" } = this.options;
    const canRun: Record<string, string[]> = {};
    for (const { definition } of handlers) (canRun[definition.queue] ??= []).push(definition.type);
    await this.#pool
      .query(`SELECT ${this.schema}.register_holder($1, $2, $3, $4)`, [
        this.incarnation,
        holder.id,
        guardedBy === "peers",
        JSON.stringify(canRun),
      ])
      .catch((error: unknown) => {
        throw asQueueError(error);
      });
  }

  /** Queues and their concurrency, from now on. What runs of a queue that is gone runs to its end. */
  setQueues(queues: readonly WorkerQueue[]): void {
    for (const { name, concurrency, bufferMax = bufferMaxStandard } of queues) {
      const feed = this.#feeds.get(name);
      if (feed === undefined)
        this.#feeds.set(
          name,
          new QueueFeed(name, concurrency, bufferMax, {
            claim: (queue, limit) => this.#claim(queue, limit),
            recover: (queue, error) => this.#recover(queue, error),
            start: (queue, job) => this.#start(queue, job),
            giveBack: (queue, jobs) => this.#giveBack(queue, jobs),
            mayFetch: () => !this.#isOver && !this.#isStopping && this.#settler.unsettled < mostUnsettled,
          }),
        );
      else this.#giveBack(name, feed.resize(concurrency, bufferMax));
    }
    const names = new Set(queues.map(({ name }) => name));
    for (const [name, feed] of this.#feeds) if (!names.has(name)) this.#giveBack(name, feed.resize(0, 0));
    this.#wakeAll();
  }

  #every(ms: number, work: () => unknown): void {
    const timer = setInterval(() => {
      if (this.#isOver) return;
      Promise.resolve(work()).catch((error: unknown) => this.#failed(error));
    }, spread(ms));
    this.#timers.add(timer);
  }

  #wakeAll(): void {
    if (this.#isOver || this.#isStopping) return;
    for (const feed of this.#feeds.values()) feed.wake();
    this.#promote({ due: true, lanes: true });
    this.services?.wake();
  }

  #heard(message: string): void {
    const hint = hintOf(message);
    if (hint === undefined || this.#isOver) return;
    if (hint.about === "queue") this.#feeds.get(hint.queue)?.wake();
    else if (hint.about === "delayed") this.#promote({ due: true, lanes: false });
    else if (hint.about === "ordering") this.#promote({ due: false, lanes: true });
    else if (hint.about === "services") this.services?.wake();
    else if (hint.about === "schedules") this.#schedules?.wake();
    else this.#cancel(hint.job);
  }

  #beaten(standing: string | null, cancelling: readonly string[]): void {
    this.report.databaseAnswered();
    if (standing !== "live" && !this.#isStopping)
      this.lose(new StandingLostError(`Incarnation ${this.incarnation} was declared lost.`));
    else for (const id of cancelling) this.#cancel(id);
  }

  #cancel(id: string): void {
    const run = this.runner.running.get(id);
    if (run !== undefined) this.runner.abort(run, new JobCancelledError(`Job ${id} was cancelled.`));
  }

  async #claim(queue: string, limit: number): Promise<ClaimedJob[]> {
    const foreign = this.#foreign.get(queue);
    const answer = await this.#pool.query(
      `SELECT id, type, attempt, attempts_left, restartable, priority, seq, enqueued_at, payload
         FROM ${this.schema}.claim($1, $2, $3, $4)`,
      [this.incarnation, queue, limit, foreign === undefined ? null : [...foreign]],
    );
    this.report.databaseAnswered();
    return this.#isOver ? [] : [...rowsOf<ClaimedJob>(answer)];
  }

  /** A claim may have been committed although its answer was lost: what is held and not known here is taken on. */
  async #recover(queue: string, error: unknown): Promise<void> {
    this.#failed(error);
    for (let tries = 1; !this.#isOver; tries++) {
      await wait(retryWaitMs(waits, tries));
      try {
        const answer = await this.#pool.query(
          `SELECT id, type, attempt, attempts_left, restartable, priority, seq, enqueued_at, payload
             FROM ${this.schema}.held($1) WHERE queue = $2`,
          [this.incarnation, queue],
        );
        const feed = this.#feeds.get(queue);
        const unknown = rowsOf<ClaimedJob>(answer).filter(({ id }) => !this.#isKnown(queue, id));
        if (this.#isStopping) this.#giveBack(queue, unknown);
        else feed?.adopt(unknown);
        return;
      } catch (again) {
        this.#failed(again);
      }
    }
  }

  /** Running, buffered, or ended and not yet accepted. */
  #isKnown(queue: string, id: string): boolean {
    return this.runner.running.has(id) || this.#settler.has(id) || this.#feeds.get(queue)?.has(id) === true;
  }

  #start(queue: string, job: ClaimedJob): void {
    if (this.#handles(queue, job.type)) return this.runner.start(queue, job);
    // Bad input: nobody here knows this type. Somebody else may; else it is parked. Never claimed again by this life.
    const types = this.#foreign.get(queue) ?? new Set();
    this.#foreign.set(queue, types.add(job.type));
    this.#settler.giveBack({
      run: foreignRun(queue, job),
      ending: "foreign",
      reason: `No worker knows jobs of type "${job.type}".`,
    });
    queueMicrotask(() => this.#feeds.get(queue)?.ended());
  }

  #handles(queue: string, type: string): boolean {
    return this.options.handlers.some(({ definition }) => definition.queue === queue && definition.type === type);
  }

  #settle(settlement: Settlement): void {
    // Committed with the handler's transaction.
    if (settlement.isCommitted === true) this.report.settled(settlement);
    else if (settlement.ending === undefined) this.#settler.complete(settlement);
    else this.#settler.giveBack(settlement);
  }

  async #isStillRunning(run: RunningJob): Promise<boolean> {
    for (let tries = 1; !this.#isOver; tries++) {
      try {
        const answer = await this.#pool.query(`SELECT ${this.schema}.still_running($1, $2, $3) AS ids`, [
          this.incarnation,
          [run.id],
          [run.attempt],
        ]);
        return rowsOf<{ ids: string[] | null }>(answer)[0]?.ids !== null;
      } catch (error) {
        this.#failed(error);
        await wait(retryWaitMs(waits, tries));
      }
    }
    return true;
  }

  /** Moves what is due and what is next in order; one statement at a time, and again if it was asked meanwhile. */
  #promote(what: { readonly due: boolean; readonly lanes: boolean }): void {
    const again = this.#promoteAgain;
    again.due ||= what.due;
    again.lanes ||= what.lanes;
    if (this.#isOver || this.#isStopping) return;
    if (this.#isPromoting) return;
    this.#isPromoting = true;
    void this.#promoteWhileAsked()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => (this.#isPromoting = false));
  }

  async #promoteWhileAsked(): Promise<void> {
    const again = this.#promoteAgain;
    while ((again.due || again.lanes) && !this.#isOver) {
      const { due, lanes } = again;
      again.due = again.lanes = false;
      if (lanes) {
        const answer = await this.#pool.query(`SELECT ${this.schema}.promote_lanes($1) AS looked`, [promotedAtOnce]);
        if (Number(rowsOf<{ looked: number }>(answer)[0]?.looked) > 0) again.lanes = true;
      }
      if (!due) continue;
      const answer = await this.#pool.query(`SELECT moved, next_ms FROM ${this.schema}.promote_due($1)`, [
        promotedAtOnce,
      ]);
      const [row] = rowsOf<{ moved: number; next_ms: number | null }>(answer);
      if (row?.moved === promotedAtOnce) again.due = true;
      clearTimeout(this.#dueTimer);
      if (row?.next_ms !== undefined && row.next_ms !== null && !this.#isOver)
        this.#dueTimer = setTimeout(() => this.#promote({ due: true, lanes: false }), Math.min(row.next_ms, 60_000));
    }
  }

  async #lookAtPeers(): Promise<void> {
    const { silenceMs = 5_000, work } = this.options;
    const answer = await this.#pool.query(
      `SELECT incarnation, id, session, beat, is_lock_free FROM ${this.schema}.watch_holders($1)`,
      [this.incarnation],
    );
    const judgement = judgePeers(this.#peers, rowsOf<SeenHolder>(answer), performance.now(), {
      silenceMs,
      gapMs: Math.max(1_000, silenceMs / 2),
    });
    this.#peers = judgement.memory;
    for (const peer of judgement.lost) {
      await work.holders.loseHolder(peer.incarnation, { reason: peer.reason });
      this.report.peerLost(peer);
    }
  }

  async #prune(): Promise<void> {
    for (;;) {
      const answer = await this.#pool.query(`SELECT ${this.schema}.prune($1) AS pruned`, [prunedAtOnce]);
      if (this.#isOver || Number(rowsOf<{ pruned: number }>(answer)[0]?.pruned) < prunedAtOnce) return;
    }
  }

  #failed(error: unknown): void {
    if (this.#isOver) return;
    const told = asQueueError(error);
    if (told instanceof StandingLostError) this.lose(told);
    else this.report.databaseFailed(told);
  }

  #giveBack(queue: string, jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) this.#settler.giveBack({ run: foreignRun(queue, job), ending: "release" });
  }

  /** Stops fetching, lets handlers end for `drainMs`, then tells them to, then leaves. */
  async stop(drainMs: number): Promise<void> {
    if (this.#isOver || this.#isStopping) return;
    this.#isStopping = true;
    const { graceMs = 5_000 } = this.options;
    this.#clearTimers();
    this.#schedules?.stop();
    const servicesDone = this.services?.stop(graceMs);
    for (const [queue, feed] of this.#feeds) this.#giveBack(queue, feed.stop());
    await this.#until(() => this.runner.running.size === 0 && this.#isQuiet(), drainMs);
    this.runner.abortAll(new WorkerStoppingError("Its worker stops."));
    await this.#until(() => this.runner.running.size === 0 && this.#isQuiet(), graceMs + 1_000);
    await servicesDone;
    for (const [queue, feed] of this.#feeds) this.#giveBack(queue, feed.stop());
    await Promise.race([this.#settler.flushed(), wait(graceMs, undefined, { ref: false })]);
    if (!this.#isOver)
      await this.#pool
        .query(`SELECT ${this.schema}.leave($1, $2)`, [this.incarnation, "Its worker stopped."])
        .catch((error: unknown) => this.report.databaseFailed(error));
    this.#end();
  }

  #isQuiet(): boolean {
    return [...this.#feeds.values()].every((feed) => feed.isQuiet);
  }

  async #until(isTrue: () => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!this.#isOver && !isTrue() && performance.now() < deadline) await wait(5);
  }

  /** Q3: this incarnation is over; at once, and for ever. */
  lose(error: StandingLostError): void {
    if (this.#isOver) return;
    this.runner.loseAll(error);
    this.services?.lose(error);
    for (const feed of this.#feeds.values()) feed.stop();
    this.#end();
    this.report.lost(error);
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    clearTimeout(this.#dueTimer);
  }

  #end(): void {
    this.#isOver = true;
    this.#clearTimers();
    this.#settler.end();
    this.#schedules?.stop();
    this.runner.stop();
    this.#unsubscribe?.();
    this.#session.stop();
  }
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** What was claimed and never started has a run without a handler, for the books only. */
const foreignRun = (queue: string, claimed: ClaimedJob): Settlement["run"] => ({
  id: claimed.id,
  attempt: claimed.attempt,
  queue,
  type: claimed.type,
  startedAtMs: performance.now(),
  claimed,
  keepCompletedSeconds: 0,
});
