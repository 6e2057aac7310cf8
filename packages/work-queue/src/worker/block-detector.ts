/**
 * Notices that this thread's event loop stands still, and who holds it. A thread of its own watches a counter that the
 * loop raises; when it stops, that thread looks at this one's stack through the inspector, while the block lasts.
 *
 * Without the inspector (Node before 20.11, or one attached by a debugger) the stack is empty; the length is not.
 */
import { Worker as Thread } from "node:worker_threads";

export interface SeenBlock {
  readonly forMs: number;
  /** Innermost first. */
  readonly stack: readonly string[];
}

/** Runs in the watching thread; as text, for the reason given in thread-pool. */
const program = `
const { parentPort, workerData } = require("node:worker_threads");
const { Session } = require("node:inspector");
const counter = new Int32Array(workerData.counter);
const { blockedAfterMs, tickMs } = workerData;
let last = -1, sinceMs = performance.now(), lookedMs = sinceMs, told = false, stack = [];
const look = () => {
  const session = new Session();
  try {
    session.connectToMainThread();
    session.on("Debugger.scriptParsed", ({ params }) => scripts.set(params.scriptId, params.url));
    const scripts = new Map();
    session.once("Debugger.paused", ({ params }) => {
      stack = params.callFrames.slice(0, 20).map(({ functionName, url, location }) =>
        (functionName || "anonymous") + " (" + (url || scripts.get(location.scriptId) || "") + ":" + (location.lineNumber + 1) + ")");
      session.post("Debugger.resume");
      session.post("Debugger.disable");
      setTimeout(() => session.disconnect(), 0);
    });
    session.post("Debugger.enable");
    session.post("Debugger.pause");
  } catch { stack = []; }
};
setInterval(() => {
  const now = performance.now();
  // This thread itself was stopped: it knows nothing about the other one.
  const wasAsleep = now - lookedMs > blockedAfterMs / 2 + tickMs;
  lookedMs = now;
  const count = Atomics.load(counter, 0);
  if (count !== last || wasAsleep) {
    if (told && count !== last) parentPort.postMessage({ forMs: now - sinceMs, stack });
    last = count; sinceMs = now; told = false; stack = [];
  } else if (!told && now - sinceMs >= blockedAfterMs) { told = true; look(); }
}, tickMs);
`;

export class BlockDetector {
  readonly #counter = new Int32Array(new SharedArrayBuffer(4));
  #thread: Thread | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly blockedAfterMs: number,
    private readonly report: (block: SeenBlock) => void,
  ) {}

  start(): void {
    const tickMs = Math.max(5, Math.floor(this.blockedAfterMs / 10));
    this.#timer = setInterval(() => Atomics.add(this.#counter, 0, 1), tickMs / 2);
    this.#timer.unref();
    this.#thread = new Thread(program, {
      eval: true,
      workerData: { counter: this.#counter.buffer, blockedAfterMs: this.blockedAfterMs, tickMs },
    });
    this.#thread.on("message", ({ forMs, stack }: SeenBlock) => this.report({ forMs: Math.round(forMs), stack }));
    this.#thread.on("error", () => undefined);
    this.#thread.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#thread?.terminate();
  }
}
