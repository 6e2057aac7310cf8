/**
 * The three measures of a lease and what binds them (L3):
 *
 *     renewEvery  <<  actFor  <  silence
 *
 * The leader acts for `actForMs` from the *start* of its last successful renewal. A candidate without any hint waits
 * `silenceMs` from its *observation* of that renewal, which is later. So the leader has stopped before anyone starts on
 * silence alone, as long as no clock runs slower than another by more than (silence - actFor) / silence = 20%.
 * actFor must outlast a JetStream election (5-7 s, compiled into NATS), or the loss of a NATS node would depose a
 * healthy leader.
 */
export interface LeaseTiming {
  readonly renewEveryMs: number;
  readonly actForMs: number;
  readonly silenceMs: number;
  /** A compare-and-swap without an answer counts as unknown after this. */
  readonly swapTimeoutMs: number;
  /** A pause of the own process longer than this makes a leader renew before it acts again (L8). */
  readonly pauseToleranceMs: number;
  /** How long a hint stays usable. */
  readonly hintMs: number;
  /** How long a released lease is kept for the one it is meant for. */
  readonly handOverMs: number;
}

export const standardTiming: LeaseTiming = Object.freeze({
  renewEveryMs: 1_500,
  actForMs: 12_000,
  silenceMs: 15_000,
  swapTimeoutMs: 1_500,
  pauseToleranceMs: 1_000,
  hintMs: 2_000,
  handOverMs: 1_000,
});

// A JetStream stream whose Raft leader is lost has another after 5-7 s.
const streamElectionMs = 7_000;

/** @throws RangeError when the measures contradict each other. */
export function checkTiming(timing: LeaseTiming): LeaseTiming {
  for (const [name, value] of Object.entries(timing) as [keyof LeaseTiming, number][]) {
    if (!Number.isFinite(value) || value <= 0)
      throw new RangeError(`${name} must be a positive number of milliseconds`);
  }
  if (timing.silenceMs < 12_000)
    throw new RangeError("silenceMs must be at least 12,000: longer than JetStream's worst election (L3)");
  if (timing.actForMs > timing.silenceMs * 0.8)
    throw new RangeError("actForMs must be at most 80% of silenceMs: room for clocks of different speed (L3)");
  if (timing.renewEveryMs + timing.swapTimeoutMs > timing.actForMs / 2)
    throw new RangeError("renewEveryMs and swapTimeoutMs must leave room for a second try within actForMs");
  // The last renewal before the loss may be renewEvery old, and the try that was under way must time out.
  if (timing.renewEveryMs + timing.swapTimeoutMs + streamElectionMs > timing.actForMs)
    throw new RangeError(
      "actForMs must outlast JetStream's worst election (7,000), renewEveryMs and swapTimeoutMs (L3)",
    );
  if (timing.pauseToleranceMs < 300)
    throw new RangeError(
      "pauseToleranceMs must be at least 300: three ticks of the elector, or it would stop acting between them",
    );
  return timing;
}
