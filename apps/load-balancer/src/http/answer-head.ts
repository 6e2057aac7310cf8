/** The head of an app server's answer, made ready for the user. Pure. */
import { headerKind, namedByConnection, withoutNamed } from "./header-kinds.ts";

export interface AnswerHead {
  /** Name, value, name, value .. */
  readonly headers: string[];
  /** Undefined: it ends when the server says so. */
  readonly contentLength: number | undefined;
  /** The server did not begin with the request. */
  readonly isNotTaken: boolean;
  /** The server was broken off in the middle of the request. */
  readonly isInterrupted: boolean;
}

/** `fields`: name, value, name, value .. as bytes, as they came. */
export function readAnswerHead(status: number, fields: readonly Buffer[]): AnswerHead {
  let headers: string[] = [];
  let contentLength: number | undefined;
  let isNotTaken = false;
  let isInterrupted = false;
  let named: string[] | undefined;
  for (let index = 0; index < fields.length; index += 2) {
    const name = (fields[index] as Buffer).toString("latin1");
    const kind = headerKind(name);
    if (kind === "drop" || kind === "transfer-encoding" || kind === "upgrade") continue;
    const value = (fields[index + 1] as Buffer).toString("latin1");
    switch (kind) {
      case "connection": {
        const more = namedByConnection(value);
        if (more !== undefined) named = [...(named ?? []), ...more];
        break;
      }
      case "content-length":
        // The HTTP client has checked it against the body; an empty answer has none (RFC 9110 8.6).
        contentLength = Number(value);
        if (status !== 204) headers.push(name, value);
        break;
      case "not-taken":
        isNotTaken = status === 503;
        break;
      case "interrupted":
        isInterrupted = status === 503;
        break;
      case "pass":
      case "host":
      case "expect":
      case "x-forwarded-for":
      case "x-request-id":
      case "via":
      case "idempotency-key":
        headers.push(name, value);
        break;
    }
  }
  if (named !== undefined) headers = withoutNamed(headers, named);
  return { headers, contentLength, isNotTaken, isInterrupted };
}
