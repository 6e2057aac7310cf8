/**
 * Turns what a keeper does into what the cluster hears: the announcement that writes go here, and the database's
 * history. It remembers how the present term came about, so that a failover can be told with its evidence and times.
 */
import type { DatabaseEntry, DatabaseHistoryEntry, Evidence, ExitEvidence, LeaderTerm } from "@understudy/contracts";
import { databaseEntry } from "@understudy/contracts";
import type { SeenLease } from "@understudy/leadership";
import type { Identity } from "@understudy/runtime";
import type { Announcer } from "./announcer.ts";
import type { DatabaseHistoryLog } from "./history-log.ts";

interface Gain {
  readonly term: number;
  readonly electedAt: number;
  readonly evidence: readonly Evidence[];
  readonly from: string | undefined;
  readonly previousKeeper: string | undefined;
  readonly failedAt: number | undefined;
  promotedAt: number | undefined;
  isTold: boolean;
}

export interface ChronicleSources {
  /** Wall clock of the holder's last sign of life. */
  readonly lastAliveAt: () => number | undefined;
  readonly exitOf: (incarnation: string) => ExitEvidence | undefined;
  /** Wall clock at which the keeper of that member said that its PostgreSQL is down. */
  readonly downSince: (member: string) => number | undefined;
}

export class Chronicle {
  #gain: Gain | undefined;
  #endedAt: number | undefined;

  constructor(
    private readonly identity: Identity,
    private readonly announcer: Announcer,
    private readonly history: DatabaseHistoryLog,
    private readonly sources: ChronicleSources,
  ) {}

  #write(
    entry: Pick<DatabaseEntry, "database">,
    term: number,
    told: Pick<DatabaseHistoryEntry, "event" | "summary"> & Partial<DatabaseHistoryEntry>,
  ): void {
    this.history.append({
      type: "database",
      at: Date.now(),
      term,
      writtenBy: this.identity.ref,
      database: entry.database,
      evidence: [],
      ...told,
    });
  }

  /** The own primary's PostgreSQL ended. */
  primaryEnded(): void {
    this.#endedAt = Date.now();
    this.announcer.now();
  }

  elected(leader: LeaderTerm, evidence: readonly Evidence[], previous: SeenLease | undefined): void {
    const before = databaseEntry.safeParse(previous?.lease.content);
    const holder = previous?.lease.holder;
    const from = before.success ? before.data.primary : undefined;
    const isPlanned = evidence[0]?.kind === "hand-over" || evidence[0]?.kind === "first-start";
    this.#gain = {
      term: leader.term,
      electedAt: Date.now(),
      evidence,
      from,
      previousKeeper: holder?.incarnation,
      failedAt:
        (from === undefined ? undefined : this.sources.downSince(from)) ??
        (isPlanned ? undefined : this.sources.lastAliveAt()),
      promotedAt: undefined,
      isTold: false,
    };
  }

  /** It takes writes from this moment: told before anything else is done. */
  writable(entry: DatabaseEntry | undefined, leader: LeaderTerm, timeline: number): void {
    if (this.#gain?.term === leader.term) this.#gain.promotedAt ??= Date.now();
    if (entry !== undefined) this.announcer.primary(entry, leader.term, timeline);
  }

  opened(entry: DatabaseEntry, leader: LeaderTerm): void {
    this.announcer.changed();
    const gain = this.#gain;
    const to = entry.primary;
    if (gain === undefined || gain.term !== leader.term || gain.isTold) {
      this.#write(entry, leader.term, {
        event: "restarted",
        to,
        summary: `${to} was restarted as primary of ${entry.database}`,
      });
      return;
    }
    gain.isTold = true;
    const { from, electedAt, evidence } = gain;
    const promotedAt = gain.promotedAt ?? Date.now();
    const exit = gain.previousKeeper === undefined ? undefined : this.sources.exitOf(gain.previousKeeper);
    const failedAt = exit?.at ?? gain.failedAt ?? (from === to ? this.#endedAt : undefined);
    const phases = {
      ...(failedAt !== undefined && { failedAt }),
      noticedAt: Math.min(evidence[0]?.at ?? electedAt, electedAt),
      electedAt,
      promotedAt,
    };
    const told = { to, evidence: [...evidence], phases };
    if (from === undefined) {
      this.#write(entry, leader.term, {
        ...told,
        event: "initialised",
        summary: `${to} is the first primary of ${entry.database}`,
      });
    } else if (from === to) {
      this.#write(entry, leader.term, {
        ...told,
        event: "restarted",
        from,
        summary: `${to} is primary of ${entry.database} again`,
      });
    } else {
      const isPlanned = evidence[0]?.kind === "hand-over" && failedAt === undefined;
      const ms = Math.max(0, Math.round(promotedAt - (failedAt ?? phases.noticedAt)));
      this.#write(entry, leader.term, {
        ...told,
        event: isPlanned ? "switchover" : "failover",
        from,
        summary: `${to} took over ${entry.database} from ${from}; writable after ${ms} ms`,
      });
    }
  }

  left(entry: DatabaseEntry, leader: LeaderTerm, member: string): void {
    this.#write(entry, leader.term, {
      event: "standby-left",
      from: member,
      summary: `${member} no longer streams from ${entry.primary} and was taken out of sync`,
    });
    if (entry.inSync.length <= 1 && entry.policy === "available")
      this.#write(entry, leader.term, {
        event: "degraded",
        to: entry.primary,
        summary: `${entry.primary} is alone: what it acknowledges now is on one instance only`,
      });
  }

  joined(entry: DatabaseEntry, leader: LeaderTerm, member: string): void {
    this.#write(entry, leader.term, {
      event: "standby-joined",
      to: member,
      summary: `${member} has everything of ${entry.primary} and is in sync`,
    });
    if (entry.inSync.length === 2)
      this.#write(entry, leader.term, {
        event: "protected",
        to: entry.primary,
        summary: `${entry.database} is on two instances again`,
      });
  }

  fenced(entry: DatabaseEntry | undefined, term: number, why: string): void {
    if (entry === undefined) return;
    this.#write(entry, term, {
      event: "fenced",
      from: this.identity.id,
      to: entry.primary,
      summary: `the PostgreSQL of ${this.identity.id} was ended: ${why}`,
    });
  }

  changed(
    entry: DatabaseEntry,
    leader: LeaderTerm,
    event: "paused" | "resumed" | "policy-changed",
    summary: string,
  ): void {
    this.#write(entry, leader.term, { event, to: entry.primary, summary });
  }
}
