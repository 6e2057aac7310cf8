/**
 * The channels that one client listens to, so that they can be subscribed again on another connection.
 *
 * LISTEN and UNLISTEN take effect when their transaction commits, and ROLLBACK TO takes back what came after the
 * savepoint. So inside a transaction they are only noted, and settled at its end. What was notified between the loss
 * of the old connection and the LISTEN on the new one is gone: PostgreSQL keeps no notifications for who is away.
 * That cannot be made good, only said: the client emits `notificationsMissed`.
 */
import type { Statement } from "../statements/statement.ts";

/** Given with the event `notificationsMissed`, of client and pool. */
export interface MissedNotifications {
  /** Subscribed again; notifications to these may have been missed. */
  readonly channels: readonly string[];
}

type Change =
  | { readonly kind: "listen"; readonly channel: string }
  | { readonly kind: "unlisten"; readonly channel: string | undefined }
  | { readonly kind: "savepoint" | "release"; readonly name: string };

const kinds: ReadonlySet<Statement["kind"]> = new Set([
  "listen",
  "unlisten",
  "savepoint",
  "release",
  "rollback-to",
  "several",
]);

/** Whether `Subscriptions` must hear of it. */
export const changesSubscriptions = ({ kind, sessionEffects }: Statement): boolean =>
  kinds.has(kind) || sessionEffects.includes("discard");

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function changeOf({ kind, name }: Statement): Change | undefined {
  if (kind === "listen" && name !== undefined) return { kind, channel: name };
  if (kind === "unlisten") return { kind, channel: name };
  if ((kind === "savepoint" || kind === "release") && name !== undefined) return { kind, name };
  return undefined;
}

/** Savepoints of the same name hide older ones: the last counts. */
const lastSavepoint = (changes: readonly Change[], name: string): number =>
  changes.findLastIndex((change) => change.kind === "savepoint" && change.name === name);

export class Subscriptions {
  #channels = new Set<string>();
  /** Of the transaction that is open. */
  #noted: Change[] = [];

  /** Committed ones, in the order of their LISTEN. */
  get channels(): readonly string[] {
    return [...this.#channels];
  }

  /** True when it listens, or will if the open transaction commits. */
  get isUsed(): boolean {
    return this.#channels.size > 0 || this.#noted.some(({ kind }) => kind === "listen");
  }

  /** `statement` has succeeded; `isInTransaction` as it was when it ran. DISCARD ALL ends all subscriptions. */
  succeeded(statement: Statement, isInTransaction: boolean): void {
    if (statement.kind === "several") {
      for (const part of statement.parts) this.#several(part, isInTransaction);
      return;
    }
    if (statement.sessionEffects.includes("discard")) this.#channels.clear();
    const { kind, name = "" } = statement;
    if (kind === "rollback-to") {
      const at = lastSavepoint(this.#noted, name);
      if (at !== -1) this.#noted.length = at + 1;
      return;
    }
    const change = changeOf(statement);
    if (change === undefined) return;
    if (change.kind === "release") {
      const at = lastSavepoint(this.#noted, change.name);
      if (at !== -1) this.#noted = this.#noted.filter(({ kind: noted }, index) => index < at || noted !== "savepoint");
    } else if (isInTransaction) this.#noted.push(change);
    else this.#apply(change);
  }

  /** COMMIT inside a text of several statements settles what came before it. */
  #several(part: Statement, isInTransaction: boolean): void {
    if (part.kind === "commit") this.committed();
    else if (part.kind === "rollback") this.rolledBack();
    else this.succeeded(part, isInTransaction || this.#noted.length > 0);
  }

  committed(): void {
    for (const change of this.#noted) this.#apply(change);
    this.#noted = [];
  }

  rolledBack(): void {
    this.#noted = [];
  }

  /** The client is somebody else's from now on. */
  clear(): void {
    this.#channels.clear();
    this.#noted = [];
  }

  #apply(change: Change): void {
    if (change.kind === "listen") this.#channels.add(change.channel);
    else if (change.kind === "unlisten" && change.channel === undefined) this.#channels.clear();
    else if (change.kind === "unlisten" && change.channel !== undefined) this.#channels.delete(change.channel);
  }

  /** What a new connection is to run; empty where nothing is subscribed. */
  get text(): string {
    return this.channels.map((channel) => `LISTEN ${quoted(channel)}`).join("; ");
  }
}
