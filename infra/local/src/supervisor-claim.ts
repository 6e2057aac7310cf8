/**
 * One supervisor per state folder, and an end to what a dead one left behind.
 *
 * It owns two files: the lock, which names the supervisor, and the ledger of the processes that it started. Both name
 * a process by id and birth, since an id alone may belong to somebody else by now.
 *
 * Invariants:
 * - A lock is taken by link(2), so of two that start at once one gets it; a lock whose supervisor is gone is moved
 *   away by rename(2) and looked at again, so that nobody removes the fresh lock of another.
 * - A process is killed only when its birth is the one in the ledger.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { signalTree } from "@understudy/engines";
import { CallerError } from "@understudy/runtime/errors";
import { z } from "zod";
import { birthOf } from "./process-birth.ts";

const bornProcess = z.object({ pid: z.int().positive(), birth: z.string() });
const ledger = z.array(bornProcess.extend({ id: z.string() }));
type LedgerEntry = z.infer<typeof ledger>[number];

const lives = ({ pid, birth }: z.infer<typeof bornProcess>): boolean => birthOf(pid) === birth;

function read<Content extends z.ZodType>(path: string, content: Content): z.infer<Content> | undefined {
  try {
    return content.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    // Not there, or torn by a crash: then it names nobody.
    return undefined;
  }
}

export class SupervisorClaim {
  #entries: readonly LedgerEntry[] = [];

  private constructor(
    private readonly lockPath: string,
    private readonly ledgerPath: string,
    /** Ids of the processes of a dead supervisor that had to be killed. */
    readonly leftovers: readonly string[],
  ) {}

  /** @throws CallerError `conflict` when a living supervisor holds the folder. */
  static take(lockPath: string, ledgerPath: string): SupervisorClaim {
    takeLock(lockPath);
    const leftovers = (read(ledgerPath, ledger) ?? []).filter(lives);
    for (const { pid } of leftovers) signalTree(pid, "SIGKILL");
    rmSync(ledgerPath, { force: true });
    return new SupervisorClaim(
      lockPath,
      ledgerPath,
      leftovers.map(({ id }) => id),
    );
  }

  started(id: string, pid: number): void {
    const birth = birthOf(pid);
    if (birth !== undefined) this.#write([...this.#entries, { id, pid, birth }]);
  }

  ended(pid: number): void {
    this.#write(this.#entries.filter((entry) => entry.pid !== pid));
  }

  release(): void {
    rmSync(this.ledgerPath, { force: true });
    rmSync(this.lockPath, { force: true });
  }

  #write(entries: readonly LedgerEntry[]): void {
    this.#entries = entries;
    writeFileSync(`${this.ledgerPath}.new`, JSON.stringify(entries), { mode: 0o600 });
    renameSync(`${this.ledgerPath}.new`, this.ledgerPath);
  }
}

function takeLock(path: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ pid: process.pid, birth: birthOf(process.pid) ?? "" }), { mode: 0o600 });
  try {
    // Each round either gets the lock, meets a living holder, or removes a stale one.
    for (let round = 0; round < 10; round++) {
      try {
        linkSync(draft, path);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = read(path, bornProcess);
      if (holder && lives(holder)) {
        throw new CallerError(
          "conflict",
          `Understudy runs already in this folder (process ${holder.pid}). Stop it with Ctrl-C or: kill ${holder.pid}`,
        );
      }
      removeStaleLock(path);
    }
    throw new CallerError("conflict", `Somebody else is starting Understudy in this folder (${path}).`);
  } finally {
    rmSync(draft, { force: true });
  }
}

function removeStaleLock(path: string): void {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const holder = read(aside, bornProcess);
  if (holder && lives(holder)) {
    // Between our look and the rename somebody took it: give it back.
    try {
      linkSync(aside, path);
    } catch {
      // A third one has it by now; the next round tells.
    }
  }
  rmSync(aside, { force: true });
}
