/** Users who came over TLS are told to come back that way only (RFC 6797). */
import { TLSSocket } from "node:tls";
import type { Socket } from "node:net";

const field = "strict-transport-security";
/** A year, as browsers' preload lists ask for. */
const aYear = "max-age=31536000";

export const schemeOf = (socket: Socket): "http" | "https" => (socket instanceof TLSSocket ? "https" : "http");

/** Adds the field to `headers` (name, value, name, value ..) unless the application has its own word about it. */
export function addStrictTransport(headers: string[]): void {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === field) return;
  }
  headers.push(field, aYear);
}
