/** Request targets and hosts (RFC 9112 3.2). Pure. */

/** Name, IPv4 or bracketed IPv6, and a port; nothing that a second parser could read differently. */
const hostForm = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._~-]*)|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

let lastValidHost = "";
/** Hosts repeat: the last one that was found right is remembered. */
export function isValidHost(host: string): boolean {
  if (host === lastValidHost && host !== "") return true;
  if (host.length > 255 || !hostForm.test(host)) return false;
  lastValidHost = host;
  return true;
}

export type Target =
  | { readonly kind: "path"; readonly path: string }
  /** The absolute form, as clients send it to proxies: its host wins over the Host field. */
  | { readonly kind: "absolute"; readonly path: string; readonly host: string }
  /** `OPTIONS *` asks the server itself. */
  | { readonly kind: "server" }
  | { readonly kind: "invalid"; readonly detail: string };

// Control characters and blanks never come this far; a fragment has no place in a request.
const invalidCharacter = /[^\u0021-\u007e]|#/;

export function readTarget(method: string, target: string): Target {
  if (invalidCharacter.test(target)) {
    return { kind: "invalid", detail: "The request target holds a character that it may not: percent-encode it." };
  }
  if (target.startsWith("/")) return { kind: "path", path: target };
  if (target === "*" && method === "OPTIONS") return { kind: "server" };
  const absolute = /^http:\/\/([^/?]*)(.*)$/i.exec(target);
  if (absolute === null || !isValidHost(absolute[1] as string)) {
    return { kind: "invalid", detail: "The request target must be a path or an http URL." };
  }
  const rest = absolute[2] as string;
  return { kind: "absolute", path: rest.startsWith("/") ? rest : `/${rest}`, host: absolute[1] as string };
}
