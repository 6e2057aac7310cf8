/**
 * One request of a user, from its head to the end of its answer.
 *
 * States: reading (its body) -> trying (one or two attempts at app servers) <-> held (no server can serve)
 * -> passing (a long answer on its way) -> done. A short answer goes from trying to done at once.
 *
 * - X1. Exactly one answer, from one attempt or from the balancer itself; `done` is final.
 * - X2. Sent a second time only before a byte of an answer went to the user, and only if it certainly did not leave
 *   or may be repeated (`retry-policy.ts`).
 * - X3. The server that has just failed is not the next one, while it is distrusted.
 * - X4. A user who goes away takes the request along: out of the hold queue, attempts broken off.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Dispatcher } from "undici";
import type { AnswerHead } from "../http/answer-head.ts";
import type { Abortable, ClientConnection } from "../http/client-connection.ts";
import { answerProblem, problems, type Problem } from "../http/problem.ts";
import { addStrictTransport } from "../http/strict-transport.ts";
import { mayBeRepeated, type RequestHead } from "../http/request-head.ts";
import type { RepeatReason } from "../metrics/counters.ts";
import type { Upstream } from "../servers/upstream.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import type { Held } from "./hold-queue.ts";
import { collectBody, PassedBody } from "./request-body.ts";
import { aftermathOf, afterFailure, mayHaveBegun, type Failure, type NextStep } from "./retry-policy.ts";
import type { Traffic } from "./traffic.ts";

const problemOf: Readonly<Record<Exclude<NextStep, "try-another" | "cut">, Problem>> = {
  "answer-outcome-unknown": problems.outcomeUnknown,
  "answer-not-completed": problems.notCompleted,
  "answer-bad-gateway": problems.badGateway,
  "answer-timeout": problems.answerTimeout,
  "answer-body-too-large": problems.bodyTooLarge,
  "answer-bad-request": problems.unsendable,
};

export class Exchange implements AttemptOwner, Held<Upstream>, Abortable {
  #phase: "reading" | "trying" | "held" | "passing" | "done" = "reading";
  #body: Buffer | PassedBody | null = null;
  #attempt: Attempt | undefined;
  /** The same request at a second server. */
  #rival: Attempt | undefined;
  #lastFailed: Upstream | undefined;
  #attemptsBegun = 0;
  readonly #mayBeRepeated: boolean;
  readonly #number: number;
  holdDeadlineMs = 0;

  constructor(
    private readonly traffic: Traffic,
    private readonly connection: ClientConnection,
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly head: RequestHead,
    readonly startedAtMs: number,
  ) {
    this.#mayBeRepeated = mayBeRepeated(request.method as string, head.isKeyed);
    this.#number = connection.begin(this);
    traffic.counters.inWork++;
  }

  begin(): void {
    const { contentLength } = this.head;
    const { limits } = this.traffic;
    if (contentLength === 0) return this.#tryNext();
    if (contentLength !== undefined && contentLength > limits.keptBodyBytes) return this.#passBody([]);
    collectBody(
      this.request,
      limits.keptBodyBytes,
      (body) => {
        this.#body = body;
        if (this.#phase === "reading") this.#tryNext();
      },
      (beginning) => {
        if (this.#phase === "reading") this.#passBody(beginning);
      },
    );
  }

  get nowMs(): number {
    return this.traffic.nowMs;
  }
  get isRepeatable(): boolean {
    return this.#mayBeRepeated && !(this.#body instanceof PassedBody);
  }
  get hasRival(): boolean {
    return this.#rival !== undefined;
  }
  /** Its body has not come to its end: what goes wrong on the connection now is about this request. */
  get isReceiving(): boolean {
    return this.#phase !== "done" && !this.request.complete;
  }
  /** The connection ends with the answer to this request. */
  get isLast(): boolean {
    return this.connection.endsWith(this.#number);
  }
  get hasAnswerBegun(): boolean {
    return this.response.headersSent;
  }

  /** The balancer answers in the app server's place. */
  answer(problem: Problem, closes = this.isLast): void {
    if (this.#phase === "done") return;
    if (closes) this.connection.isClosing = true;
    answerProblem(this.response, problem, closes, this.head.requestId);
    this.traffic.counters.answered(problem.status, this.startedAtMs);
    this.#finish();
  }

  /** X4 */
  cancel(): void {
    if (this.#phase === "done") return;
    this.traffic.counters.unanswered++;
    this.#finish();
  }

  /** Sends the request to a second server too, if there is one; the first answer counts. */
  hedge(attempt: Attempt): void {
    if (this.#phase !== "trying" || this.#rival !== undefined) return;
    const upstream = this.traffic.upstreams.choose(this.nowMs, attempt.upstream);
    if (upstream === undefined) return;
    this.traffic.counters.repeats.hedged++;
    this.#rival = new Attempt(this, upstream, this.nowMs);
    this.#dispatch(this.#rival);
  }

  chooseServer(): Upstream | undefined {
    const failed = this.#lastFailed;
    const excluded = failed !== undefined && this.nowMs < failed.distrustedUntilMs ? failed : undefined; // X3
    return this.traffic.upstreams.choose(this.nowMs, excluded);
  }

  proceedWith(upstream: Upstream): void {
    this.#phase = "trying";
    this.#attempt = new Attempt(this, upstream, this.nowMs);
    this.#dispatch(this.#attempt);
  }

  onHoldExpired(): void {
    this.traffic.counters.holdExpired++;
    this.answer(problems.holdExpired);
  }

  onHead(attempt: Attempt, status: number, head: AnswerHead): "collect" | "pass" | "stop" {
    if (head.isNotTaken || head.isInterrupted) {
      attempt.abandon();
      this.onFailed(attempt, head.isNotTaken ? "not-taken" : "interrupted");
      return "stop";
    }
    const { contentLength } = head;
    if (contentLength !== undefined && contentLength <= this.traffic.limits.keptAnswerBytes) return "collect";
    if (this.request.method === "HEAD" || status === 204 || status === 304) return "collect";
    this.#phase = "passing";
    this.#otherThan(attempt)?.abandon();
    this.#attempt = attempt;
    this.#rival = undefined;
    this.#writeHead(status, head);
    return "pass";
  }

  onChunk(attempt: Attempt, chunk: Buffer): boolean {
    if (this.response.write(chunk)) return true;
    this.response.once("drain", () => attempt.resume());
    return false;
  }

  onWhole(attempt: Attempt): void {
    if (this.#phase === "done") return;
    if (this.#phase === "passing") this.response.end();
    else {
      this.#writeHead(attempt.status, attempt.head as AnswerHead);
      // As text it leaves in one piece with its head; as bytes it would be a second one (a tenth of the CPU time).
      if (attempt.body === undefined) this.response.end();
      else this.response.end(attempt.body.toString("latin1"), "latin1");
    }
    this.traffic.counters.answered(attempt.status, this.startedAtMs);
    this.#finish();
  }

  onFailed(attempt: Attempt, failure: Failure): void {
    if (this.#phase === "done") return;
    const { upstream } = attempt;
    upstream.suffer(aftermathOf[failure], this.nowMs);
    if (mayHaveBegun(failure)) this.#attemptsBegun++;
    this.#lastFailed = upstream;
    const other = this.#otherThan(attempt);
    this.#attempt = other;
    this.#rival = undefined;
    if (other !== undefined && failure !== "timed-out") return; // it may still answer
    const next = afterFailure({
      failure,
      isRepeatable: this.isRepeatable,
      canBeSentAgain: !(this.#body instanceof PassedBody && this.#body.isBegun),
      hasAnswerBegun: this.hasAnswerBegun,
      attemptsBegun: this.#attemptsBegun,
    });
    if (next === "try-another") {
      this.traffic.counters.repeats[failure as RepeatReason]++;
      this.#tryNext();
    } else if (next === "cut") {
      // The user sees a broken connection instead of an answer that looks whole.
      this.response.destroy();
      this.cancel();
    } else {
      this.answer(problemOf[next]);
    }
  }

  onOver(attempt: Attempt): void {
    attempt.upstream.inFlight--;
    this.traffic.attempts.remove(attempt);
  }

  #passBody(beginning: readonly Buffer[]): void {
    const { bodyBytes } = this.traffic.limits;
    if (beginning.reduce((sum, chunk) => sum + chunk.length, 0) > bodyBytes) {
      this.request.resume();
      return this.answer(problems.bodyTooLarge);
    }
    this.#body = new PassedBody(this.request, beginning, bodyBytes);
    // Its errors arrive through the attempt that sends it; without one, nobody else must fall over them.
    this.#body.on("error", () => undefined);
    this.#tryNext();
  }

  #tryNext(): void {
    const upstream = this.chooseServer();
    if (upstream !== undefined) return this.proceedWith(upstream);
    const { counters, held, settings } = this.traffic;
    this.#phase = "held";
    if (held.add(this, this.nowMs, settings)) {
      counters.held++;
      return;
    }
    counters.holdRefused++;
    this.answer(problems.holdFull);
  }

  #dispatch(attempt: Attempt): void {
    const { upstream } = attempt;
    upstream.inFlight++;
    this.traffic.attempts.add(attempt);
    this.traffic.counters.attempts++;
    upstream.pool.dispatch(
      {
        path: this.head.path,
        method: this.request.method as Dispatcher.HttpMethod,
        headers: this.head.headers,
        body: this.#body,
      },
      attempt,
    );
  }

  #otherThan(attempt: Attempt): Attempt | undefined {
    return this.#attempt === attempt ? this.#rival : this.#attempt;
  }

  #writeHead(status: number, head: AnswerHead): void {
    if (this.isLast) {
      this.connection.isClosing = true;
      head.headers.push("connection", "close");
    }
    if (this.connection.scheme === "https") addStrictTransport(head.headers);
    this.response.writeHead(status, head.headers);
  }

  #finish(): void {
    if (this.#phase === "held") this.traffic.held.remove(this);
    this.#phase = "done";
    this.#attempt?.abandon();
    this.#rival?.abandon();
    this.connection.end(this, this.nowMs);
    this.traffic.counters.inWork--;
  }
}
