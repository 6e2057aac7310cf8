/**
 * The failure detector at work: hears beats (through a `BeatBoard`), asks instances, reports verdicts. It decides
 * nothing; what a verdict follows from stands in `detection.ts` (F1-F5).
 *
 * It owns one `ProbeLine` per lifeline and the timer. Each `probeMs` every instance is asked through one node, in turn;
 * one that still owes an answer, or that one node answered 503 for, through all nodes at once.
 */
import { defaultClusterSettings, type DetectorReport, type InstanceRef } from "@understudy/contracts";
import type { Identity, NatsConnections } from "@understudy/runtime";
import type { BeatBoard, HeardBeat } from "./beat-board.ts";
import { Detection, type DetectionSettings, type Finding } from "./detection.ts";
import { ProbeLine, type ProbeEvents } from "./probe-line.ts";

/** Three of these fit into `gapMs` of listening.ts. */
const echoMs = 200;
/** A verdict other than `alive` is said again: reports are events and may be lost, readers come and go. */
const repeatMs = 500;

export class Detector {
  readonly #detection: Detection;
  readonly #lines = new Map<string, ProbeLine>();
  readonly #listeners: ((report: DetectorReport) => void)[] = [];
  readonly #reportedAt = new Map<string, number>();
  #settings: DetectionSettings;
  #timers: readonly NodeJS.Timeout[] = [];
  #round = 0;
  #state: "new" | "running" | "stopped" = "new";

  constructor(
    private readonly nats: NatsConnections,
    private readonly board: BeatBoard,
    private readonly identity: Identity,
  ) {
    const defaults = defaultClusterSettings();
    this.#settings = { lostAfterMs: defaults.appServers.lostAfterMs, probeMs: defaults.heartbeat.probeMs };
    const nodes = nats.lifelines.map(({ server }) => server);
    this.#detection = new Detection(nodes, identity.id, this.#settings);
  }

  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    this.nats.onLifeline((connection, node) => {
      if (this.#state === "running")
        this.#lines.set(node, new ProbeLine(node, connection, this.#events, this.nats.inboxPrefix));
    });
    this.board.onBeat((heard) => this.#onBeat(heard));
    this.#arm();
  }

  stop(): void {
    this.#state = "stopped";
    this.#disarm();
    for (const line of this.#lines.values()) line.stop();
  }

  configure(settings: DetectionSettings): void {
    this.#settings = settings;
    this.#detection.configure(settings);
    if (this.#state === "running") this.#arm();
  }

  /** Called at once on each change of a verdict (the first one included), and again while it is not `alive`. */
  onReport(listener: (report: DetectorReport) => void): void {
    this.#listeners.push(listener);
  }

  /** Observes an instance that is known otherwise (a registry): it is asked and its silence counts from now. */
  expect(instance: InstanceRef): void {
    if (instance.id !== this.identity.id)
      this.#detection.observe({ kind: "expected", instance, at: performance.now() });
  }

  /** What is found now about every instance but this one. */
  all(): readonly Finding[] {
    return this.#detection.all(performance.now());
  }

  find(id: string): Finding | undefined {
    return this.#detection.find(id, performance.now());
  }

  /** False while too few NATS nodes are heard to conclude anything. */
  get hearsEnough(): boolean {
    return this.#detection.hearsEnough(performance.now());
  }

  readonly #events: ProbeEvents = {
    heard: (node) => this.#detection.observe({ kind: "heard", node, at: performance.now() }),
    answered: (node, instance) => {
      this.#detection.observe({ kind: "answered", instance, node, at: performance.now() });
      this.#reassess(instance.id);
    },
    refused: (node, id, probedAt, alone) => {
      const at = performance.now();
      this.#detection.observe({ kind: "refused", id, node, probedAt, at });
      if (alone) for (const line of this.#connectedLines()) if (line.node !== node) line.ask(id, at, "all");
      this.#assess();
    },
  };

  #onBeat({ beat: { instance, sequence }, heardAtMs, through }: HeardBeat): void {
    if (this.#state !== "running" || instance.id === this.identity.id) return;
    this.#detection.observe({ kind: "beat", instance, sequence, node: through, at: heardAtMs });
    this.#reassess(instance.id);
  }

  /** After a sign of life: only a verdict that it ends needs a look before the next round. */
  #reassess(id: string): void {
    if (this.#detection.verdictOf(id) !== "alive") this.#assess();
  }

  #arm(): void {
    this.#disarm();
    this.#timers = [setInterval(() => this.#listen(), echoMs), setInterval(() => this.#ask(), this.#settings.probeMs)];
  }

  #disarm(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  #listen(): void {
    for (const line of this.#connectedLines()) line.echo();
    this.#assess();
    this.#repeat();
  }

  #ask(): void {
    const at = performance.now();
    const connected = this.#connectedLines();
    const heard = this.#detection.heardNodes(at);
    const listening = connected.filter(({ node }) => heard.includes(node));
    this.#round++;
    for (const [index, id] of this.#detection.ids.entries()) {
      const inTurn = listening[(this.#round + index) % listening.length];
      if (inTurn === undefined || this.#detection.isWaitedFor(id))
        for (const line of connected) line.ask(id, at, "all");
      else inTurn.ask(id, at, "alone");
      if (connected.length > 0) this.#detection.observe({ kind: "probed", id, at });
    }
  }

  /** What is sent over a lifeline that is away would wait in the client and arrive as a flood of old questions. */
  #connectedLines(): readonly ProbeLine[] {
    return this.nats.lifelines.flatMap(({ server, connected }) => {
      const line = connected ? this.#lines.get(server) : undefined;
      return line === undefined ? [] : [line];
    });
  }

  #assess(): void {
    for (const finding of this.#detection.assess(performance.now(), Date.now())) this.#report(finding);
  }

  #repeat(): void {
    const at = performance.now();
    const findings = this.#detection.all(at);
    for (const finding of findings) {
      const reportedAt = this.#reportedAt.get(finding.instance.id) ?? Number.NEGATIVE_INFINITY;
      if (finding.verdict !== "alive" && at - reportedAt >= repeatMs) this.#report(finding);
    }
    const known = new Set(findings.map(({ instance }) => instance.id));
    for (const id of this.#reportedAt.keys()) if (!known.has(id)) this.#reportedAt.delete(id);
  }

  #report({ instance, verdict, silentMs, evidence }: Finding): void {
    this.#reportedAt.set(instance.id, performance.now());
    const report = { monitor: this.identity.id, instance, verdict, silentMs, evidence: [...evidence] };
    for (const listener of this.#listeners) listener(report);
  }
}
