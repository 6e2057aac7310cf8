/**
 * One candidate of a simulated election: its clock, its incarnations, and the events that wait while it is paused.
 * What it does with an event stands in `ElectionSimulation`, as `Elector` does it.
 */
import { initialState, type Candidate, type ElectionState } from "../election-state.ts";
import type { Agenda } from "./agenda.ts";

/** A resumed process finds messages in its sockets and timers that are due; in which order is chance. */
export type Lane = "message" | "timer";

interface Waiting {
  readonly lane: Lane;
  readonly run: () => void;
}

export interface NextSwap {
  readonly lose?: "request" | "answer" | undefined;
  readonly delayMs?: number;
  readonly onSent?: () => void;
}

export class SimulatedCandidate {
  readonly id: string;
  incarnation = 0;
  me: Candidate;
  isAlive = false;
  isPaused = false;
  isEligible = true;
  state: ElectionState = initialState(0);
  swaps = 0;
  isReading = false;
  lastReadAt = 0;
  termFloor = 0;
  /** Simulated time until which its messages are lost. */
  requestsCutUntil = 0;
  answersCutUntil = 0;
  /** What befalls its next swap, once. */
  nextSwap: NextSwap = {};
  /** The present try for a term, on its own clock. */
  trying: { readonly term: number; readonly startedAt: number } | undefined;
  pausedSince = 0;
  #waiting: Waiting[] = [];

  constructor(
    private readonly agenda: Agenda,
    readonly index: number,
    private readonly offset: number,
    /** Own milliseconds in one millisecond of true time. */
    readonly rate: number,
  ) {
    this.id = `candidate-${index}`;
    this.me = { id: this.id, incarnation: "", machine: `machine-${index}` };
  }

  clock(now: number): number {
    return this.offset + now * this.rate;
  }

  takeNextSwap(): NextSwap {
    const { nextSwap } = this;
    this.nextSwap = {};
    return nextSwap;
  }

  /** Runs `run` in this incarnation's process after a time on its own clock. */
  later(lane: Lane, localMs: number, run: () => void): void {
    this.deliver(lane, this.agenda.now + localMs / this.rate, run);
  }

  /** Runs `run` in this incarnation's process at a true time, or after the pause in which that falls. */
  deliver(lane: Lane, at: number, run: () => void): void {
    const { incarnation } = this;
    const inTurn = () => {
      if (this.incarnation === incarnation) run();
    };
    this.befalls(at, () => {
      if (this.isPaused) this.#waiting.push({ lane, run: inTurn });
      else run();
    });
  }

  /** Something that befalls this incarnation from outside, paused or not. */
  befalls(at: number, run: () => void): void {
    const { incarnation } = this;
    this.agenda.at(at, () => {
      if (this.incarnation === incarnation) run();
    });
  }

  /** A new incarnation without memory. */
  begin(now: number): void {
    this.incarnation += 1;
    this.me = { ...this.me, incarnation: `${this.id}:${this.incarnation}` };
    this.isAlive = true;
    this.isPaused = false;
    this.isReading = false;
    this.swaps = 0;
    this.nextSwap = {};
    this.trying = undefined;
    this.lastReadAt = this.clock(now);
    this.state = initialState(this.clock(now));
    this.#waiting = [];
  }

  end(): void {
    this.isAlive = false;
    this.isPaused = false;
    this.incarnation += 1; // Whatever is still under way to it is nobody's.
    this.#waiting = [];
  }

  pause(now: number): void {
    this.isPaused = true;
    this.pausedSince = now;
  }

  /** What waited, in the order in which the resumed process finds it. */
  resume(order: "arrival" | Lane): readonly (() => void)[] {
    this.isPaused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    const sorted =
      order === "arrival"
        ? waiting
        : [...waiting.filter(({ lane }) => lane === order), ...waiting.filter(({ lane }) => lane !== order)];
    return sorted.map(({ run }) => run);
  }
}
