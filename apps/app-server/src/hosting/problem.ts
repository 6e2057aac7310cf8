/** RFC 9457 answers of the app server itself; applications make their own. */
import { STATUS_CODES, type ServerResponse } from "node:http";
import { interruptedHeader, notTakenHeader } from "@understudy/contracts";

export const problemContentType = "application/problem+json";

export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

export const problem = (status: number, detail: string): Problem => ({
  type: "about:blank",
  title: STATUS_CODES[status] ?? "Error",
  status,
  detail,
});

const retryAfterSeconds = "1";

/** Not begun: may be sent elsewhere, whatever its method. */
export function answerNotTaken(response: ServerResponse, detail: string): void {
  answer(response, detail, { [notTakenHeader]: "1" });
}

/** Begun, and its outcome unknown here: only a request that may be repeated may be sent again. */
export function answerInterrupted(response: ServerResponse, detail: string): void {
  answer(response, detail, { [interruptedHeader]: "1", connection: "close" });
}

function answer(response: ServerResponse, detail: string, headers: Record<string, string>): void {
  const body = JSON.stringify(problem(503, detail));
  response.writeHead(503, {
    "content-type": problemContentType,
    "content-length": Buffer.byteLength(body),
    "retry-after": retryAfterSeconds,
    ...headers,
  });
  response.end(body);
}
