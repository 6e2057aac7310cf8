/** One direction of a proxied connection; see tcp-link.ts for its states and promises. */
import type { Socket } from "node:net";

/** What a lane does to the bytes that pass. */
export interface LaneShape {
  /** Each byte arrives this much later. */
  readonly delayMs: number;
  readonly bytesPerSecond: number;
  /** The connection is reset when it has carried this many bytes more, counted from the setting. */
  readonly dropAfterBytes: number;
}

export const unshaped: LaneShape = {
  delayMs: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  dropAfterBytes: Number.POSITIVE_INFINITY,
};

interface Parcel {
  readonly bytes: Buffer;
  readonly dueAt: number;
}

/** Cuts `bytes` so that a slow lane trickles instead of sending a burst each few seconds. */
export function portions(bytes: Buffer, bytesPerSecond: number): Buffer[] {
  const size = Math.max(1, Math.min(bytes.length, Math.ceil(bytesPerSecond / 20)));
  const result: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) result.push(bytes.subarray(at, at + size));
  return result;
}

const mostQueuedBytes = 256 * 1024;

export class Lane {
  #mode: "idle" | "flowing" | "shaped" = "idle";
  #isHeld = false;
  #shape = unshaped;
  #leftBytes = Number.POSITIVE_INFINITY;
  readonly #queue: Parcel[] = [];
  #queuedBytes = 0;
  #lastDueAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #sourceFate: "open" | "ended" | "reset" = "open";

  constructor(
    private readonly source: Socket,
    private readonly sink: Socket,
    private readonly resetConnection: () => void,
  ) {
    source.once("end", () => this.#sourceIs("ended"));
    source.on("error", () => this.#sourceIs("reset"));
    source.once("close", () => {
      if (this.#sourceFate === "open") this.#sourceIs("reset");
    });
    sink.on("drain", () => this.#step());
  }

  apply(isHeld: boolean, shape: LaneShape): void {
    if (shape !== this.#shape) this.#leftBytes = shape.dropAfterBytes;
    this.#isHeld = isHeld;
    this.#shape = shape;
    this.#choose();
    this.#step();
  }

  /** Takes the simplest way that the terms allow. */
  #choose(): void {
    const isPlain =
      this.#shape.delayMs === 0 && this.#shape.bytesPerSecond === Infinity && this.#leftBytes === Infinity;
    const mode = this.#isHeld ? "idle" : isPlain && this.#queue.length === 0 ? "flowing" : "shaped";
    if (mode === this.#mode) return;
    if (this.#mode === "flowing") this.source.unpipe(this.sink);
    if (this.#mode === "shaped") this.source.off("data", this.#enqueue);
    this.#mode = mode;
    if (mode === "flowing") this.source.pipe(this.sink, { end: false });
    if (mode === "shaped") this.source.on("data", this.#enqueue);
    if (mode === "idle") this.source.pause();
    // `pipe` begins by itself, when its sink can take more.
    if (mode === "shaped") this.source.resume();
  }

  readonly #enqueue = (chunk: Buffer): void => {
    for (const bytes of portions(chunk, this.#shape.bytesPerSecond)) {
      const now = performance.now();
      const sendingMs = (bytes.length / this.#shape.bytesPerSecond) * 1_000;
      this.#lastDueAt = Math.max(now + this.#shape.delayMs, this.#lastDueAt + sendingMs);
      this.#queue.push({ bytes, dueAt: this.#lastDueAt });
      this.#queuedBytes += bytes.length;
    }
    if (this.#queuedBytes > mostQueuedBytes) this.source.pause();
    this.#step();
  };

  /** Sends what is due, then looks whether the source's end can be passed on. */
  #step(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isHeld || this.sink.destroyed) return;
    if (this.#sourceFate === "reset") return this.resetConnection();
    for (let parcel = this.#queue[0]; parcel !== undefined; parcel = this.#queue[0]) {
      if (this.sink.writableNeedDrain) return;
      const waitMs = parcel.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#step(), waitMs);
        return;
      }
      this.#queue.shift();
      this.#queuedBytes -= parcel.bytes.length;
      if (!this.#send(parcel.bytes)) return;
    }
    if (this.#mode === "shaped") {
      this.source.resume();
      this.#choose();
    }
    if (this.#sourceFate === "ended" && !this.sink.writableEnded) this.sink.end();
  }

  /** False when the connection has carried what it may. */
  #send(bytes: Buffer): boolean {
    const passed = bytes.subarray(0, Math.min(bytes.length, this.#leftBytes));
    this.#leftBytes -= passed.length;
    if (this.#leftBytes > 0) {
      this.sink.write(passed);
      return true;
    }
    // The last bytes are handed over before the reset, or the receiver's system would throw them away with it.
    this.sink.write(passed, () => this.resetConnection());
    return false;
  }

  #sourceIs(fate: "ended" | "reset"): void {
    this.#sourceFate = fate;
    // T1: the news travels this lane, so it waits while the lane is held.
    this.#step();
  }
}
