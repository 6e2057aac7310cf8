/**
 * Worker threads for handlers that compute. One job at a time per thread; others wait in order. A thread whose job was
 * aborted and does not end in its grace is terminated: the one way to stop a loop.
 */
import { Worker as Thread } from "node:worker_threads";
import type { RunningJob } from "./running-job.ts";

/** Runs in the thread. As text, for it must be found from sources, from a build and from a bundle alike. */
const program = `
const { parentPort } = require("node:worker_threads");
let current;
parentPort.on("message", async (message) => {
  if (message.abort !== undefined) {
    if (current && current.id === message.abort)
      current.controller.abort(Object.assign(new Error(message.reason), { name: message.name }));
    return;
  }
  const controller = new AbortController();
  current = { id: message.id, controller };
  try {
    const { default: handler } = await import(message.module);
    if (typeof handler !== "function") throw new Error(message.module + " has no function as its default export.");
    const result = await handler(message.payload, {
      ...message.facts,
      enqueuedAt: new Date(message.facts.enqueuedAt),
      signal: controller.signal,
      progress: (value) => parentPort.postMessage({ progress: JSON.stringify(value === undefined ? null : value) }),
    });
    parentPort.postMessage({ result: result === undefined ? undefined : JSON.stringify(result) });
  } catch (error) {
    parentPort.postMessage(error instanceof Error
      ? { error: { name: error.name, message: error.message, stack: error.stack } }
      : { thrown: typeof error === "string" ? error : JSON.stringify(error) ?? String(error) });
  } finally {
    current = undefined;
  }
});
`;

interface Told {
  readonly result?: string;
  readonly progress?: string;
  readonly thrown?: string;
  readonly error?: { readonly name: string; readonly message: string; readonly stack?: string };
}

interface Task {
  readonly module: URL;
  readonly payload: unknown;
  readonly run: RunningJob;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class ThreadPool {
  readonly #idle: Thread[] = [];
  readonly #busy = new Map<Thread, Task>();
  readonly #waiting: Task[] = [];
  #isStopped = false;

  constructor(private readonly size: number) {}

  run(module: URL, payload: unknown, run: RunningJob): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ module, payload, run, resolve, reject });
      this.#next();
    });
  }

  /** Its handler did not end in its grace. */
  terminate(run: RunningJob): void {
    for (const [thread, task] of this.#busy) {
      if (task.run !== run) continue;
      // At once: what it still says is heard by nobody, and the next job gets another thread.
      this.#busy.delete(thread);
      void thread.terminate();
    }
    this.#next();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#idle, ...this.#busy.keys()].map((thread) => thread.terminate()));
  }

  #next(): void {
    while (this.#waiting.length > 0 && !this.#isStopped) {
      const thread = this.#idle.pop() ?? (this.#busy.size < this.size ? this.#started() : undefined);
      if (thread === undefined) return;
      const task = this.#waiting.shift() as Task;
      const { run } = task;
      if (run.isEnded || run.abortReason !== undefined) {
        this.#idle.push(thread);
        task.reject(run.abortReason);
        continue;
      }
      this.#busy.set(thread, task);
      thread.ref();
      const { id, queue, type, attempt, isLastAttempt, enqueuedAt } = run;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      run.signal.addEventListener("abort", () => thread.postMessage({ abort: id, ...namedReason(run.signal.reason) }), {
        once: true,
      });
      const facts = { id, queue, type, attempt, isLastAttempt, enqueuedAt: enqueuedAt.getTime() };
      const order = { id, module: task.module.href, payload: task.payload, facts };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      thread.postMessage(order);
    }
  }

  #started(): Thread {
    const thread = new Thread(program, { eval: true });
    thread.on("message", (told: Told) => this.#heard(thread, told));
    thread.on("error", (error) => this.#ended(thread, error));
    thread.on("exit", () => this.#ended(thread, new Error("Its worker thread was ended.")));
    return thread;
  }

  #heard(thread: Thread, told: Told): void {
    const task = this.#busy.get(thread);
    if (task === undefined) return;
    if (told.progress !== undefined) return task.run.progress(JSON.parse(told.progress));
    this.#busy.delete(thread);
    thread.unref();
    this.#idle.push(thread);
    if (told.error !== undefined) task.reject(Object.assign(new Error(told.error.message), told.error));
    else if (told.thrown !== undefined) task.reject(told.thrown);
    else task.resolve(told.result === undefined ? undefined : JSON.parse(told.result));
    this.#next();
  }

  #ended(thread: Thread, error: Error): void {
    const task = this.#busy.get(thread);
    this.#busy.delete(thread);
    const index = this.#idle.indexOf(thread);
    if (index >= 0) this.#idle.splice(index, 1);
    task?.reject(error);
    this.#next();
  }
}

const namedReason = (reason: unknown): { reason: string; name: string } =>
  reason instanceof Error
    ? { reason: reason.message, name: reason.name }
    : { reason: String(reason), name: "AbortError" };
