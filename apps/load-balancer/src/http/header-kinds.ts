/** Which header fields mean something to a balancer. Names are compared without regard to case. */

export type HeaderKind =
  | "pass"
  /** Belongs to one connection (RFC 9110 7.6.1) or to the proxy itself. */
  | "drop"
  | "connection"
  | "host"
  | "content-length"
  | "transfer-encoding"
  | "upgrade"
  | "expect"
  | "x-forwarded-for"
  | "x-request-id"
  | "via"
  | "idempotency-key"
  | "not-taken"
  | "interrupted";

const kinds: ReadonlyMap<string, HeaderKind> = new Map<string, HeaderKind>([
  ["connection", "connection"],
  ["proxy-connection", "drop"],
  ["keep-alive", "drop"],
  ["te", "drop"],
  ["trailer", "drop"],
  ["proxy-authenticate", "drop"],
  ["proxy-authorization", "drop"],
  ["proxy-authentication-info", "drop"],
  ["http2-settings", "drop"],
  ["transfer-encoding", "transfer-encoding"],
  ["upgrade", "upgrade"],
  ["content-length", "content-length"],
  ["host", "host"],
  ["expect", "expect"],
  // Set anew: what a client says of its own connection is not to be believed.
  ["x-forwarded-proto", "drop"],
  ["x-forwarded-host", "drop"],
  ["x-forwarded-port", "drop"],
  ["forwarded", "drop"],
  ["x-forwarded-for", "x-forwarded-for"],
  ["x-request-id", "x-request-id"],
  ["via", "via"],
  ["idempotency-key", "idempotency-key"],
  ["understudy-not-taken", "not-taken"],
  ["understudy-interrupted", "interrupted"],
]);

// Names come in few spellings; lower-casing each of them for each request costs more than this map.
const spellings = new Map<string, HeaderKind>(kinds);
const spellingsAtMost = 2_000;

export function headerKind(name: string): HeaderKind {
  const known = spellings.get(name);
  if (known !== undefined) return known;
  const kind = kinds.get(name.toLowerCase()) ?? "pass";
  if (spellings.size < spellingsAtMost && name.length <= 64) spellings.set(name, kind);
  return kind;
}

/** The fields that a `Connection` field names, besides the usual two words. Undefined: none. */
export function namedByConnection(value: string): readonly string[] | undefined {
  if (value === "keep-alive" || value === "close" || value === "Keep-Alive") return undefined;
  const names = value
    .toLowerCase()
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "" && part !== "keep-alive" && part !== "close");
  return names.length === 0 ? undefined : names;
}

/** What a `Connection` field may not take away: the message would mean something else without it. */
const essential = new Set(["host", "content-length", "content-type", "idempotency-key", "via", "x-forwarded-for"]);

/** `fields` (name, value, name, value ..) without those that `Connection` names. */
export function withoutNamed(fields: readonly string[], names: readonly string[]): string[] {
  const gone = new Set(names.filter((name) => !essential.has(name)));
  const kept: string[] = [];
  for (let index = 0; index < fields.length; index += 2) {
    const field = fields[index] as string;
    if (!gone.has(field.toLowerCase())) kept.push(field, fields[index + 1] as string);
  }
  return kept;
}
