/**
 * Writes into the history what becomes of instances that nobody decides about: balancers, monitors, message servers.
 * App servers have the verdicts for that.
 *
 * Alternates collect as well. A new leader writes what happened while nobody led, the end of its predecessor included,
 * unless the history has it already.
 */
import { Inject, Injectable } from "@nestjs/common";
import type { Evidence, ExitEvidence, InstanceIdentity, LeaderTerm } from "@understudy/contracts";
import { BeatBoard } from "@understudy/heartbeat";
import { Elector, OnLeadership, OnLeadershipLost } from "@understudy/leadership";
import { LOG, type Log } from "@understudy/runtime";
import { persistently } from "../coordination/persistently.ts";
import { EvidenceBoard, evidenceOfExit, isCleanExit } from "../registry/evidence-board.ts";
import { HistoryLog } from "./history-log.ts";

const endsMost = 100;
const entriesRead = 200;
// Longer than any election: what is older was seen by a leader.
const catchUpMs = 60_000;

@Injectable()
export class Chronicler {
  /** Latest incarnation known of each id; kept by alternates too, so that a new leader greets nobody twice. */
  readonly #known = new Map<string, InstanceIdentity>();
  readonly #gone = new Set<string>();
  readonly #ends: {
    readonly exit: ExitEvidence;
    readonly instance: InstanceIdentity;
    readonly heardAt: number;
    readonly isWritten: boolean;
  }[] = [];
  #term: { leader: LeaderTerm; signal: AbortSignal } | undefined;

  constructor(
    @Inject(Elector) private readonly elector: Elector,
    @Inject(BeatBoard) private readonly beats: BeatBoard,
    @Inject(EvidenceBoard) private readonly evidence: EvidenceBoard,
    @Inject(HistoryLog) private readonly history: HistoryLog,
    @Inject(LOG) private readonly log: Log,
  ) {
    this.beats.onBeat(({ beat: { instance } }) => this.#hear(instance));
    this.evidence.onExit((exit) => this.#ended(exit));
  }

  @OnLeadership("work")
  start(leader: LeaderTerm, signal: AbortSignal): void {
    this.#term = { leader, signal };
    void this.#catchUp(signal);
  }

  @OnLeadershipLost()
  stop(): void {
    this.#term = undefined;
  }

  #hear(instance: InstanceIdentity): void {
    const before = this.#known.get(instance.id);
    this.#known.set(instance.id, instance);
    if (instance.kind === "app-server" || before === undefined || before.incarnation === instance.incarnation) return;
    if (!this.#gone.delete(before.incarnation)) return;
    this.#write(instance, "returned", `${instance.id} is back on ${instance.machine}`, []);
  }

  #ended(exit: ExitEvidence): void {
    const instance = this.#known.get(exit.instance.id);
    if (instance === undefined || instance.kind === "app-server" || instance.incarnation !== exit.instance.incarnation)
      return;
    this.#gone.add(instance.incarnation);
    this.#ends.push({ exit, instance, heardAt: performance.now(), isWritten: this.#writeEnd(exit, instance) });
    if (this.#ends.length > endsMost) this.#ends.shift();
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    const entries = await persistently("history", signal, this.log, () => this.history.read(entriesRead));
    if (entries === undefined || signal.aborted) return;
    const written = new Set(
      entries.flatMap((entry) =>
        entry.type === "instance" && entry.event !== "accepted" ? [entry.instance.incarnation] : [],
      ),
    );
    for (const { exit, instance, heardAt, isWritten } of this.#ends) {
      const isRecent = performance.now() - heardAt <= catchUpMs;
      if (isRecent && !isWritten && !written.has(instance.incarnation)) this.#writeEnd(exit, instance);
    }
  }

  /** False when this process does not lead: then whoever leads next writes it. */
  #writeEnd(exit: ExitEvidence, instance: InstanceIdentity): boolean {
    const evidence = evidenceOfExit(exit);
    return isCleanExit(exit)
      ? this.#write(instance, "left", `${instance.id} ended as planned`, [evidence])
      : this.#write(
          instance,
          "lost",
          `${instance.id} on ${instance.machine} was lost: ${evidence.detail ?? "it ended"}`,
          [evidence],
        );
  }

  #write(
    instance: InstanceIdentity,
    event: "returned" | "left" | "lost",
    summary: string,
    evidence: Evidence[],
  ): boolean {
    if (this.#term === undefined || this.elector.leading === undefined) return false;
    const { leader, signal } = this.#term;
    const { id, incarnation } = instance;
    void this.history.append(
      leader,
      { type: "instance", instance: { id, incarnation }, event, evidence, summary },
      signal,
    );
    return true;
  }
}
