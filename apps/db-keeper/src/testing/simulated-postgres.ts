/**
 * A PostgreSQL of a simulated database: a disk that keeps what was written, and a server that runs on it for a while.
 *
 * The log is a list of records; a position is a length. As in the real one: a standby follows whoever has its timeline
 * in the past (which says nothing about content: two servers can call different logs by one number); a commit becomes
 * visible when those that it waits for have it, or when a crash recovery finds it; nothing is visible while clients are
 * kept out.
 */
import type { SynchronousStandbys } from "@understudy/engines";
import type { DataFacts } from "../decision/facts.ts";

export class Disk {
  systemIdentifier: string | undefined;
  log: number[] = [];
  timeline = 0;
  /** Where each past timeline ended. */
  history: readonly { readonly timeline: number; readonly end: number }[] = [];
  isStandby = false;
  isClean = false;

  get data(): DataFacts {
    if (this.systemIdentifier === undefined) return { kind: "none" };
    return {
      kind: "present",
      systemIdentifier: this.systemIdentifier,
      timeline: this.timeline,
      isStandby: this.isStandby,
      isCleanlyShutDown: this.isClean,
      checkpointAt: BigInt(this.log.length),
    };
  }

  become(source: Disk, isStandby: boolean): void {
    this.systemIdentifier = source.systemIdentifier;
    this.log = [...source.log];
    this.timeline = source.timeline;
    this.history = source.history;
    this.isStandby = isStandby;
    this.isClean = false;
  }

  /** Whether its own past is a part of `source`'s, as far as timelines and positions tell. */
  isPartOf(source: Disk): boolean {
    if (this.systemIdentifier !== source.systemIdentifier) return false;
    if (this.timeline === source.timeline) return this.log.length <= source.log.length;
    return source.history.some(({ timeline, end }) => timeline === this.timeline && end >= this.log.length);
  }
}

interface Waiting {
  readonly position: number;
  readonly onCommitted: () => void;
}

export class Server {
  isAnswering = false;
  isPromoting = false;
  /** Positions that standbys said they have, on connections that stand. */
  readonly flushed = new Map<string, number>();
  /** Connections that the server still believes in. */
  readonly connected = new Set<string>();
  recoveredTo = 0;
  joinPosition: number | undefined;
  /** What commits really wait for; what the keeper knows follows it. */
  inForce: SynchronousStandbys;
  /** What its configuration says. */
  configured: SynchronousStandbys;
  #waiting: Waiting[] = [];
  /** What a client that reads everything sees: all before the first commit that still waits. */
  visible = 0;
  /** Of that, what a client has read. */
  shown = 0;

  constructor(
    readonly disk: Disk,
    public role: "primary" | "standby",
    public access: "open" | "closed",
    public waitsFor: SynchronousStandbys,
    public upstream: string | undefined,
  ) {
    this.inForce = waitsFor;
    this.configured = waitsFor;
    disk.isClean = false;
  }

  /** It takes writes from now on; all that is in its log shows. */
  begins(): void {
    this.role = "primary";
    this.isPromoting = false;
    this.upstream = undefined;
    this.recoveredTo = this.disk.log.length;
    this.joinPosition = this.recoveredTo;
    this.visible = this.recoveredTo;
  }

  promoted(): void {
    const { disk } = this;
    disk.history = [...disk.history, { timeline: disk.timeline, end: disk.log.length }];
    disk.timeline += 1;
    disk.isStandby = false;
    this.begins();
  }

  get takesClients(): boolean {
    return this.role === "primary" && this.isAnswering && this.access === "open";
  }

  commit(record: number, onCommitted: () => void): void {
    this.disk.log.push(record);
    this.#waiting.push({ position: this.disk.log.length, onCommitted });
    this.release();
  }

  release(): void {
    const { count, standbys } = this.inForce;
    this.#waiting = this.#waiting.filter(({ position, onCommitted }) => {
      const have = standbys.filter((member) => (this.flushed.get(member) ?? 0) >= position).length;
      if (have < count) return true;
      this.visible = Math.max(this.visible, position);
      onCommitted();
      return false;
    });
  }
}
