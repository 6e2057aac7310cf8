/**
 * What keepers of standbys promise each other where commits wait for some of several (D3, `ANY k`).
 *
 * It owns this keeper's last promise: a revision of the lease, in a file that is on the disk before the promise is
 * given, so that a keeper that starts anew keeps it. While the lease has that revision or an older one, its PostgreSQL
 * receives nothing (`keeperStep` sees to it). And it owns what the others have promised for the revision that this one
 * would swap; kept in memory only: who starts anew asks again.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { confirmStopped } from "@understudy/contracts";
import { parseLogPosition } from "@understudy/engines";
import type { SeenLease } from "@understudy/leadership";
import { CallerError, OperationalError, type Log } from "@understudy/runtime";
import type { z } from "zod";
import type { SeenEntry } from "../decision/entry-rules.ts";
import type { Confirmation } from "../decision/promotion-quorum.ts";
import type { PostgresInstance } from "../postgres/instance.ts";

type Promised = z.infer<typeof confirmStopped.reply>;

export interface ConfirmationsOptions {
  readonly member: string;
  /** Of the file with the promise. */
  readonly path: string;
  readonly instance: PostgresInstance;
  readonly log: Log;
  /** Asks the keeper beside `member`. */
  readonly ask: (member: string, revision: number) => Promise<Promised>;
}

const againMs = 200;

export class Confirmations {
  #stoppedAt: number | undefined;
  #promises: Confirmation[] = [];
  #askedAt = -Infinity;

  constructor(private readonly options: ConfirmationsOptions) {
    this.#stoppedAt = this.#read();
  }

  /** It receives nothing while the lease has this revision or an older one. */
  get stoppedAt(): number | undefined {
    return this.#stoppedAt;
  }

  /** What was promised to this candidate, its own word included. */
  get promises(): readonly Confirmation[] {
    return this.#promises;
  }

  /**
   * Promises to receive nothing until the lease has a newer revision, and tells how far this standby has come.
   * @param isPrimaryHeard its PostgreSQL lives, whatever its keeper does
   * @throws CallerError `refused`; OperationalError `unavailable`
   */
  async promise(revision: number, seen: SeenLease | undefined, isPrimaryHeard: boolean): Promise<Promised> {
    const { instance, member, log } = this.options;
    if (seen !== undefined && seen.revision > revision)
      throw new CallerError("refused", `The lease has revision ${seen.revision} already.`);
    if (seen?.lease.status === "held" && isPrimaryHeard)
      throw new CallerError("refused", `${member} still hears the primary.`);
    const { facts } = instance;
    if (facts.kind !== "running" || facts.role !== "standby" || facts.isPromoting)
      throw new OperationalError("unavailable", `${member} does not run as a standby.`);
    if (this.#stoppedAt === undefined || this.#stoppedAt < revision) {
      this.#write(revision);
      log.info({ revision }, "receives nothing until the lease changes");
    }
    const flushedAt = await instance.stopReceiving();
    const { data } = instance;
    if (data.kind !== "present") throw new OperationalError("unavailable", `${member} has no data.`);
    return { member, timeline: data.timeline, flushedAt };
  }

  /** Asks all standbys in sync for their word, this one first. Calls `onHeard` after each answer; never rejects. */
  async gather({ entry, revision }: SeenEntry, promise: () => Promise<Promised>, onHeard: () => void): Promise<void> {
    const now = performance.now();
    if (now - this.#askedAt < againMs) return;
    this.#askedAt = now;
    this.#promises = this.#promises.filter((each) => each.revision === revision);
    const { member, ask, log } = this.options;
    const others = entry.inSync.filter((other) => other !== entry.primary && other !== member);
    const keep = async (asked: string, answer: Promise<Promised>): Promise<void> => {
      try {
        const { timeline, flushedAt } = await answer;
        const said = { member: asked, revision, timeline, flushedAt: parseLogPosition(flushedAt) };
        this.#promises = [...this.#promises.filter((each) => each.member !== asked), said];
        onHeard();
      } catch (error) {
        log.info({ asked, revision, reason: (error as Error).message }, "no confirmation");
      }
    };
    await Promise.all([keep(member, promise()), ...others.map((other) => keep(other, ask(other, revision)))]);
  }

  #read(): number | undefined {
    try {
      const revision = Number(readFileSync(this.options.path, "utf8"));
      if (Number.isSafeInteger(revision)) return revision;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    throw new OperationalError(
      "unavailable",
      `${this.options.path} holds no revision; remove it when all keepers run.`,
    );
  }

  #write(revision: number): void {
    const { path } = this.options;
    mkdirSync(dirname(path), { recursive: true });
    const fresh = `${path}.new`;
    const file = openSync(fresh, "w", 0o600);
    writeSync(file, String(revision));
    fsyncSync(file);
    closeSync(file);
    renameSync(fresh, path);
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
    this.#stoppedAt = revision;
  }
}
