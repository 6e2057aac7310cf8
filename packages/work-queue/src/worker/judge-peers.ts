/**
 * Which fellow workers are gone, from what a watcher has seen of them. Pure.
 *
 * A free lock seen twice in a row under the same session number: the process has ended, or cannot reach the primary
 * and has not come back under a new number in between. Silence: the count of its signs of life has stood still for
 * `silenceMs` of the watcher's own time, in which the watcher looked all the time; a watcher that was itself asleep, or
 * had no database, begins anew. Clocks of other machines play no part.
 */
export interface SeenHolder {
  readonly incarnation: string;
  readonly id: string;
  readonly session: number;
  /** A bigint. */
  readonly beat: string;
  readonly is_lock_free: boolean;
}

interface Memory {
  readonly session: number;
  readonly beat: string;
  readonly sinceMs: number;
  readonly wasLockFree: boolean;
}

export interface PeerMemory {
  readonly lookedAtMs: number;
  readonly peers: ReadonlyMap<string, Memory>;
}

export interface PeerJudgement {
  readonly memory: PeerMemory;
  readonly lost: readonly { readonly incarnation: string; readonly id: string; readonly reason: string }[];
}

export interface PeerRules {
  readonly silenceMs: number;
  /** A longer gap between two looks means that the watcher knows nothing. */
  readonly gapMs: number;
}

export function judgePeers(
  before: PeerMemory | undefined,
  seen: readonly SeenHolder[],
  nowMs: number,
  { silenceMs, gapMs }: PeerRules,
): PeerJudgement {
  const known = before !== undefined && nowMs - before.lookedAtMs <= gapMs ? before.peers : new Map<string, Memory>();
  const peers = new Map<string, Memory>();
  const lost: PeerJudgement["lost"][number][] = [];
  for (const { incarnation, id, session, beat, is_lock_free: isLockFree } of seen) {
    const last = known.get(incarnation);
    const isSame = last !== undefined && last.session === session;
    const sinceMs = isSame && last.beat === beat ? last.sinceMs : nowMs;
    peers.set(incarnation, { session, beat, sinceMs, wasLockFree: isLockFree });
    if (isSame && isLockFree && last.wasLockFree)
      lost.push({ incarnation, id, reason: `${id} is gone: its session in the database has ended.` });
    else if (nowMs - sinceMs >= silenceMs)
      lost.push({ incarnation, id, reason: `${id} gave no sign of life for ${silenceMs} ms.` });
  }
  return { memory: { lookedAtMs: nowMs, peers }, lost };
}
