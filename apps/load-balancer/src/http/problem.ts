/** RFC 9457 answers of the balancer itself. */
import { STATUS_CODES, type ServerResponse } from "node:http";
import { addStrictTransport, schemeOf } from "./strict-transport.ts";

export const problemContentType = "application/problem+json";

export interface Problem {
  readonly status: number;
  readonly detail: string;
  readonly retryAfterSeconds?: number;
}

const noServer = "No app server can serve at the moment";
/** What the balancer says when no app server's answer can be given. */
export const problems = {
  holdExpired: {
    status: 503,
    detail: `${noServer}; the request waited in vain and was not begun.`,
    retryAfterSeconds: 1,
  },
  holdFull: { status: 503, detail: `${noServer}, and too many requests wait already.`, retryAfterSeconds: 1 },
  notCompleted: {
    status: 503,
    detail: "No app server completed the request. It may be sent again.",
    retryAfterSeconds: 1,
  },
  outcomeUnknown: {
    status: 502,
    detail:
      "The app server broke off after it had received the request. Whether it was carried out is unknown: look before you send it again, or use an Idempotency-Key.",
  },
  badGateway: { status: 502, detail: "The app server's answer could not be understood." },
  answerTimeout: {
    status: 504,
    detail: "The app server did not answer in time. Whether the request was carried out is unknown.",
  },
  bodyTooLarge: { status: 413, detail: "The body is longer than is accepted here." },
  unsendable: { status: 400, detail: "The request holds a field that may not be passed on." },
  tooManyHeaders: { status: 431, detail: "The request has too many header fields." },
  headersTooLarge: { status: 431, detail: "The request line and header fields are longer than is accepted here." },
  tooManyPipelined: { status: 503, detail: "Too many requests at once on one connection.", retryAfterSeconds: 1 },
  tooManyConnections: { status: 503, detail: "Too many connections.", retryAfterSeconds: 1 },
  expectation: { status: 417, detail: "The only expectation served is 100-continue." },
  requestTimeout: { status: 408, detail: "The request did not arrive in time." },
  malformed: { status: 400, detail: "The request is no valid HTTP/1.1." },
  connect: { status: 501, detail: "CONNECT is not served here." },
} as const satisfies Record<string, Problem>;

const bodyOf = (problem: Problem, requestId: string | undefined): string =>
  JSON.stringify({
    type: "about:blank",
    title: STATUS_CODES[problem.status] ?? "Error",
    status: problem.status,
    detail: problem.detail,
    ...(requestId !== undefined && { requestId }),
  });

function fieldsOf(problem: Problem, body: string, closes: boolean): string[] {
  const fields = ["content-type", problemContentType, "content-length", String(Buffer.byteLength(body))];
  if (problem.retryAfterSeconds !== undefined) fields.push("retry-after", String(problem.retryAfterSeconds));
  if (closes) fields.push("connection", "close");
  return fields;
}

export function answerProblem(response: ServerResponse, problem: Problem, closes: boolean, requestId?: string): void {
  const body = bodyOf(problem, requestId);
  const fields = fieldsOf(problem, body, closes);
  if (schemeOf(response.req.socket) === "https") addStrictTransport(fields);
  response.writeHead(problem.status, fields);
  response.end(body);
}

/** A whole answer as text, for a connection on which no request stands. */
export function problemText(problem: Problem): string {
  const body = bodyOf(problem, undefined);
  const fields = fieldsOf(problem, body, true);
  let text = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? "Error"}\r\n`;
  for (let index = 0; index < fields.length; index += 2) text += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return `${text}\r\n${body}`;
}
