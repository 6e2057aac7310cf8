/**
 * The head of a user's request, judged and made ready for an app server in one pass. Pure.
 *
 * Node's parser is strict and refuses most of what smuggling is made of; what it lets pass and two parsers could
 * still read differently is refused here. Fields of one connection stay on it (RFC 9110 7.6.1).
 */
import { headerKind, namedByConnection, withoutNamed } from "./header-kinds.ts";
import { isRefusedUpgrade } from "./upgrade.ts";
import { isValidHost, readTarget } from "./request-target.ts";

/** Where a request came in. */
export interface Arrival {
  readonly clientAddress: string;
  readonly localPort: string;
  /** As the user sees it. */
  readonly scheme: "http" | "https";
}

export interface RequestHead {
  readonly kind: "forward";
  readonly path: string;
  /** Name, value, name, value .. */
  readonly headers: string[];
  /** 0: none; undefined: unknown, it comes in chunks. */
  readonly contentLength: number | undefined;
  /** The client promises that repeating it does no harm. */
  readonly isKeyed: boolean;
  readonly requestId: string;
}

export interface Refusal {
  readonly kind: "refuse";
  readonly status: number;
  readonly detail: string;
}

/** Answered by the balancer itself. */
export interface OwnAnswer {
  readonly kind: "options";
}

const refuse = (status: number, detail: string): Refusal => ({ kind: "refuse", status, detail });
const twice = (name: string) => refuse(400, `${name} is given more than once.`);

const requestIdForm = /^[\x21-\x7e]{1,128}$/;
const decimal = /^\d{1,15}$/;
const pseudonym = "1.1 understudy";

export function readRequestHead(
  method: string,
  target: string,
  httpVersionMinor: number,
  fields: readonly string[],
  arrival: Arrival,
  newRequestId: () => string,
): RequestHead | Refusal | OwnAnswer {
  if (method === "TRACE" || method === "CONNECT") return refuse(501, `${method} is not served here.`);
  let host: string | undefined;
  let contentLength: string | undefined;
  let isChunked = false;
  let key: string | undefined;
  let requestId: string | undefined;
  let forwardedFor: string | undefined;
  let via: string | undefined;
  let named: string[] | undefined;
  let headers: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] as string;
    const value = fields[index + 1] as string;
    switch (headerKind(name)) {
      case "pass":
      case "not-taken":
      case "interrupted":
        headers.push(name, value);
        break;
      case "drop":
        break;
      case "connection": {
        const more = namedByConnection(value);
        if (more !== undefined) named = [...(named ?? []), ...more];
        break;
      }
      case "host":
        if (host !== undefined) return twice("Host");
        host = value;
        break;
      case "content-length":
        if (contentLength !== undefined) return twice("Content-Length");
        if (!decimal.test(value)) return refuse(400, "Content-Length must be a decimal number.");
        contentLength = value;
        break;
      case "transfer-encoding":
        if (isChunked) return twice("Transfer-Encoding");
        if (value.toLowerCase() !== "chunked") return refuse(501, "The only transfer encoding served is chunked.");
        isChunked = true;
        break;
      case "upgrade":
        if (isRefusedUpgrade(value)) return refuse(501, "WebSocket is not served here.");
        break;
      case "expect":
        // 100-continue was answered by the listener; it refuses other expectations.
        break;
      case "x-forwarded-for":
        forwardedFor = forwardedFor === undefined ? value : `${forwardedFor}, ${value}`;
        break;
      case "via":
        via = via === undefined ? value : `${via}, ${value}`;
        break;
      case "x-request-id":
        if (requestId === undefined && requestIdForm.test(value)) requestId = value;
        break;
      case "idempotency-key":
        if (key !== undefined) return twice("Idempotency-Key");
        key = value;
        headers.push(name, value);
        break;
    }
  }
  if (isChunked && contentLength !== undefined) {
    return refuse(400, "Content-Length and Transfer-Encoding exclude each other.");
  }
  if (isChunked && httpVersionMinor === 0) return refuse(400, "HTTP/1.0 knows no Transfer-Encoding.");
  if (host !== undefined ? !isValidHost(host) : httpVersionMinor !== 0) {
    return refuse(400, "Host must be a name or an address, with or without a port.");
  }
  const read = readTarget(method, target);
  if (read.kind === "invalid") return refuse(400, read.detail);
  if (read.kind === "server") return { kind: "options" };
  if (read.kind === "absolute") host = read.host;
  if (named !== undefined) headers = withoutNamed(headers, named);
  requestId ??= newRequestId();
  if (host !== undefined) headers.push("host", host, "x-forwarded-host", host);
  headers.push(
    "x-forwarded-for",
    forwardedFor === undefined ? arrival.clientAddress : `${forwardedFor}, ${arrival.clientAddress}`,
    "x-forwarded-proto",
    arrival.scheme,
    "x-forwarded-port",
    arrival.localPort,
    "x-request-id",
    requestId,
    "via",
    via === undefined ? pseudonym : `${via}, ${pseudonym}`,
  );
  return {
    kind: "forward",
    path: read.path,
    headers,
    contentLength: isChunked ? undefined : Number(contentLength ?? 0),
    isKeyed: key !== undefined && key !== "",
    requestId,
  };
}

const repeatableMethods = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
/** By its method (RFC 9110 9.2.2) or by its key. */
export const mayBeRepeated = (method: string, isKeyed: boolean): boolean => repeatableMethods.has(method) || isKeyed;
