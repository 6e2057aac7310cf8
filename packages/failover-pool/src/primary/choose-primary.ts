/**
 * Which host is the primary, from what all of them answered. Pure: the pool believes the database, nobody else.
 *
 * Refused: another system than the one known (a stranger's data), a timeline lower than one seen (a zombie), and two
 * servers that both claim the same timeline (nobody can tell which of them is right).
 */
import type { ErrorKind } from "../errors/error-table.ts";
import type { HostReason } from "../errors/pool-errors.ts";
import type { Host } from "./host-list.ts";

/** What a server says of itself. */
export interface ServerFacts {
  readonly isStandby: boolean;
  /** Of the running server; 0 where a standby does not say. */
  readonly timeline: number;
  readonly system: string;
  /** When the server process was started: two addresses of one server give the same. */
  readonly startedAt: string;
}

export type HostAnswer =
  | { readonly type: "facts"; readonly facts: ServerFacts }
  | { readonly type: "failed"; readonly kind: ErrorKind; readonly reason: string; readonly error: unknown }
  | { readonly type: "silent" };

export interface AskedHost {
  readonly host: Host;
  readonly answer: HostAnswer;
}

/** What this pool has learned so far. */
export interface Seen {
  /** The highest of a primary; 0 before the first. */
  readonly timeline: number;
  /** Undefined before the first answer, unless the options name it. */
  readonly system: string | undefined;
}

export type Choice =
  | { readonly type: "primary"; readonly host: Host; readonly facts: ServerFacts }
  | {
      readonly type: "none";
      readonly reasons: readonly HostReason[];
      /** An error that waiting does not mend, such as a wrong password. */
      readonly told: unknown;
    };

/** Undefined where the server may be the primary; else why not. */
export function refusal(facts: ServerFacts, seen: Seen): string | undefined {
  if (seen.system !== undefined && facts.system !== seen.system)
    return `belongs to another system (${facts.system}, not ${seen.system})`;
  if (facts.isStandby) return "is a standby";
  if (facts.timeline < seen.timeline)
    return `is a primary of timeline ${facts.timeline}, which was replaced by ${seen.timeline}`;
  return undefined;
}

function reasonFor({ host, answer }: AskedHost, seen: Seen): HostReason {
  if (answer.type === "silent") return { host: host.id, reason: "does not answer" };
  if (answer.type === "failed") return { host: host.id, reason: answer.reason };
  return { host: host.id, reason: refusal(answer.facts, seen) ?? `claims timeline ${answer.facts.timeline} too` };
}

export function choosePrimary(asked: readonly AskedHost[], seen: Seen): Choice {
  const candidates: { host: Host; facts: ServerFacts }[] = [];
  for (const { host, answer } of asked) {
    if (answer.type === "facts" && refusal(answer.facts, seen) === undefined)
      candidates.push({ host, facts: answer.facts });
  }
  candidates.sort((left, right) => right.facts.timeline - left.facts.timeline);
  const [best] = candidates;
  if (best !== undefined) {
    const rival = candidates.find(
      ({ facts }) =>
        facts.timeline === best.facts.timeline &&
        (facts.startedAt !== best.facts.startedAt || facts.system !== best.facts.system),
    );
    if (rival === undefined && isOneSystem(candidates)) return { type: "primary", ...best };
  }
  const reasons = asked.map((one) => reasonFor(one, seen));
  return { type: "none", reasons, told: best === undefined ? errorToTell(asked, seen) : undefined };
}

/** Before the first answer nothing tells which of two systems is ours: then neither. */
const isOneSystem = (candidates: readonly { readonly facts: ServerFacts }[]): boolean =>
  new Set(candidates.map(({ facts }) => facts.system)).size === 1;

/**
 * A wrong password is told at once: roles are replicated, another host would say the same. The same holds when every
 * host answered and all belong to strangers.
 */
function errorToTell(asked: readonly AskedHost[], seen: Seen): unknown {
  for (const { answer } of asked) {
    if (answer.type === "failed" && (answer.kind === "told" || answer.kind === "statement")) return answer.error;
  }
  const strangers = asked.filter(
    ({ answer }) => answer.type === "facts" && seen.system !== undefined && answer.facts.system !== seen.system,
  );
  if (asked.length === 0 || strangers.length < asked.length) return undefined;
  const reasons = asked.map((one) => reasonFor(one, seen));
  return new Error(
    `No host belongs to system ${seen.system}: ${reasons.map(({ host, reason }) => `${host} ${reason}`).join("; ")}`,
  );
}
