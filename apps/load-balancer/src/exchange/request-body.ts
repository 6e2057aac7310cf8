/** The body of a user's request: kept whole where it is short, so that it can be sent again; passed through where not. */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { bodyTooLargeCode } from "./retry-policy.ts";

export class BodyTooLargeError extends Error {
  readonly code = bodyTooLargeCode;
  constructor(limitBytes: number) {
    super(`The body is longer than ${limitBytes} bytes.`);
    this.name = "BodyTooLargeError";
  }
}

/**
 * Reads the body until it ends (`onWhole`) or is longer than `bytesAtMost` (`onLong`, with what was read; the rest
 * waits). Neither is called when the user goes away before.
 */
export function collectBody(
  request: IncomingMessage,
  bytesAtMost: number,
  onWhole: (body: Buffer | null) => void,
  onLong: (beginning: readonly Buffer[]) => void,
): void {
  let first: Buffer | undefined;
  let parts: Buffer[] | undefined;
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    if (first === undefined) first = chunk;
    else if (parts === undefined) parts = [first, chunk];
    else parts.push(chunk);
    bytes += chunk.length;
    if (bytes <= bytesAtMost) return;
    request.pause();
    request.off("data", onData).off("end", onEnd);
    onLong(parts ?? [first]);
  };
  const onEnd = () => onWhole(parts === undefined ? (first ?? null) : Buffer.concat(parts));
  request.on("data", onData).on("end", onEnd);
}

/**
 * A body on its way through, no faster than the app server takes it. Ends with `BodyTooLargeError` beyond
 * `bytesAtMost`. When nobody wants it any more the rest is read and dropped, so that the answer reaches a user who
 * still sends.
 */
export class PassedBody extends Readable {
  /** Something of it was handed on: it cannot be sent a second time. */
  isBegun = false;
  #bytes = 0;

  constructor(
    private readonly request: IncomingMessage,
    private readonly beginning: readonly Buffer[],
    private readonly bytesAtMost: number,
  ) {
    super({ highWaterMark: 64 * 1024 });
    request.pause();
  }

  override _read(): void {
    if (this.isBegun) {
      this.request.resume();
      return;
    }
    this.isBegun = true;
    this.request.on("data", this.#onData).on("end", this.#onEnd);
    for (const chunk of this.beginning) this.#onData(chunk);
    if (!this.destroyed) this.request.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.request.off("data", this.#onData).off("end", this.#onEnd);
    this.request.resume();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#bytes > this.bytesAtMost) this.destroy(new BodyTooLargeError(this.bytesAtMost));
    else if (!this.push(chunk)) this.request.pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };
}
