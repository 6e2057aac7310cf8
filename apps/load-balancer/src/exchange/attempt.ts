/**
 * A request at one app server: what the HTTP client reports about it, as its owner needs it.
 *
 * States: waiting (queued or sent) -> collecting (a short answer, kept until it is whole) or passing (the rest of the
 * answer goes straight to the user) -> over. Over is final: reports that come later belong to nobody.
 *
 * - A1. `wasSent` is true from the moment before the first byte is written: what is false was certainly not sent.
 * - A2. While collecting, nothing has gone to the user, so the request can still be sent elsewhere.
 *
 * It implements the raw handler of undici 7, which hands over header fields as bytes: the newer one builds an object
 * with all fields for each answer, which costs a tenth of the balancer's CPU time.
 */
import type { Dispatcher } from "undici";
import type { AnswerHead } from "../http/answer-head.ts";
import { readAnswerHead } from "../http/answer-head.ts";
import type { Upstream } from "../servers/upstream.ts";
import type { Placed } from "./attempt-list.ts";
import { failureOf, type Failure } from "./retry-policy.ts";

/** The request that an attempt belongs to. */
export interface AttemptOwner {
  /** What to do with an answer whose head has come. "stop": the attempt is over. */
  onHead(attempt: Attempt, status: number, head: AnswerHead): "collect" | "pass" | "stop";
  /** False: no more for now, `resume` of the attempt continues. */
  onChunk(attempt: Attempt, chunk: Buffer): boolean;
  onWhole(attempt: Attempt): void;
  onFailed(attempt: Attempt, failure: Failure): void;
  /** The clock of the traffic, for the server's last sign of life. */
  readonly nowMs: number;
  /** It is over, whatever the reason: no longer in work at its server. */
  onOver(attempt: Attempt): void;
}

const abandoned = new Error("The balancer needs this answer no more.");

export class Attempt implements Dispatcher.DispatchHandler, Placed {
  #phase: "waiting" | "collecting" | "passing" | "over" = "waiting";
  #abort: ((error?: Error) => void) | undefined;
  #resume: (() => void) | undefined;
  place = -1;
  status = 0;
  head: AnswerHead | undefined;
  /** A2 */
  body: Buffer | undefined;
  #more: Buffer[] | undefined;

  constructor(
    readonly owner: AttemptOwner,
    readonly upstream: Upstream,
    readonly startedAtMs: number,
  ) {}

  get wasSent(): boolean {
    return this.#abort !== undefined;
  }

  /** The user's side can take more. */
  resume(): void {
    if (this.#phase !== "over") this.#resume?.();
  }

  /** Ends it without a report; a connection that carries it is closed. */
  abandon(): void {
    if (this.#phase === "over") return;
    this.#end();
    this.#abort?.(abandoned);
  }

  onConnect(abort: (error?: Error) => void): void {
    if (this.#phase === "over") return abort(abandoned);
    this.#abort = abort; // A1
  }

  onHeaders(status: number, fields: Buffer[], resume: () => void): boolean {
    if (status < 200 || this.#phase === "over") return true;
    this.upstream.lastHeardMs = this.owner.nowMs;
    this.upstream.isSilent = false;
    this.#resume = resume;
    this.status = status;
    this.head = readAnswerHead(status, fields);
    const next = this.owner.onHead(this, status, this.head);
    if (next === "collect") this.#phase = "collecting";
    else if (next === "pass") this.#phase = "passing";
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.upstream.lastHeardMs = this.owner.nowMs;
    if (this.#phase === "passing") return this.owner.onChunk(this, chunk);
    if (this.#phase !== "collecting") return true;
    if (this.body === undefined) this.body = chunk;
    else if (this.#more === undefined) this.#more = [this.body, chunk];
    else this.#more.push(chunk);
    return true;
  }

  onComplete(): void {
    if (this.#phase === "over") return;
    this.#end();
    if (this.#more !== undefined) this.body = Buffer.concat(this.#more);
    this.owner.onWhole(this);
  }

  onError(error: Error & { readonly code?: string }): void {
    if (this.#phase === "over") return;
    this.#end();
    this.owner.onFailed(this, failureOf(error, this.wasSent));
  }

  #end(): void {
    this.#phase = "over";
    this.owner.onOver(this);
  }
}
