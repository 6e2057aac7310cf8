import { type ArgumentsHost, Catch, type ExceptionFilter } from "@nestjs/common";
import type { Log } from "@understudy/runtime";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type Problem, problemOf } from "./problem.ts";

/** While the database is away every request fails the same way: one line in this time tells of all. */
const quietMs = 5_000;

/** Sends every failure of the service port as problem+json, those of Fastify and Nest (404, 413, 415) too. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  #quietUntil = 0;
  #untold = 0;

  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const problem = problemOf(error);
    this.#tell(error, problem, http.getRequest<FastifyRequest>());
    if (reply.sent) return;
    if (problem.status === 503) void reply.header("retry-after", "1");
    void reply.status(problem.status).type("application/problem+json").send(JSON.stringify(problem));
  }

  #tell(error: unknown, problem: Problem, request: FastifyRequest): void {
    if (problem.status < 500) return;
    if (problem.status !== 503) {
      this.log.error({ err: error, method: request.method, url: request.url }, "a request failed");
      return;
    }
    this.#untold += 1;
    const now = performance.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + quietMs;
    const reason = error instanceof Error ? error.message : String(error);
    this.log.warn({ reason, requests: this.#untold }, "requests were answered 503");
    this.#untold = 0;
  }
}
