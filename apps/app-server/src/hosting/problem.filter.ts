import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from "@nestjs/common";
import { UnderstudyError, type Log } from "@understudy/runtime";
import { problem, problemContentType, type Problem } from "./problem.ts";

/** The part of Fastify's reply that is used here. */
interface Reply {
  readonly sent: boolean;
  code(status: number): Reply;
  header(name: string, value: string): Reply;
  send(body: Problem): void;
}

const statusOfCode: Readonly<Partial<Record<string, number>>> = {
  "invalid-request": 400,
  conflict: 409,
  refused: 503,
  unavailable: 503,
  "database-unavailable": 503,
  timeout: 503,
};

/** What the filters of the hosted applications left: unknown paths, bodies that are no JSON or too large, our faults. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<Reply>();
    const answer = problemOf(error);
    if (answer.status >= 500) this.log.error({ err: error }, "a request failed outside of its application");
    if (reply.sent) return;
    reply.code(answer.status).header("content-type", problemContentType).send(answer);
  }
}

/** Details of faults that are not the caller's stay in the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof HttpException) return problem(error.getStatus(), error.message);
  if (error instanceof UnderstudyError) return problem(statusOfCode[error.code] ?? 500, error.message);
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  if (typeof status === "number" && status >= 400 && status < 500) return problem(status, (error as Error).message);
  return problem(500, "The request failed; the reason stands in the app server's log.");
}
