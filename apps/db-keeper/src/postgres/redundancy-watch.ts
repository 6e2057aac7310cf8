/**
 * Which standbys stream, and for how long each other member has not: kept by the primary's keeper from one look to the
 * next, on its own clock. A standby's answers carry that machine's time, so only their change counts.
 */
import type { StandbyFacts } from "../decision/facts.ts";
import type { SeenStandby } from "./observation.ts";

// A standby answers every second (wal_receiver_status_interval); one that is frozen keeps its connection.
const silentMs = 2_500;
// Looks that are further apart say nothing about the time between them: our own process stood still.
const gapMs = 1_000;

export class RedundancyWatch {
  readonly #replies = new Map<string, { text: string; at: number }>();
  readonly #missingSince = new Map<string, number>();
  #lookedAt: number | undefined;
  #standbys: readonly StandbyFacts[] = [];
  #missingMs: Readonly<Record<string, number>> = {};

  constructor(private readonly others: readonly string[]) {}

  get standbys(): readonly StandbyFacts[] {
    return this.#standbys;
  }

  get missingMs(): Readonly<Record<string, number>> {
    return this.#missingMs;
  }

  look(seen: readonly SeenStandby[], now: number): void {
    const shift = this.#lookedAt !== undefined && now - this.#lookedAt > gapMs ? now - this.#lookedAt : 0;
    if (shift > 0) {
      for (const reply of this.#replies.values()) reply.at += shift;
      for (const [member, since] of this.#missingSince) this.#missingSince.set(member, since + shift);
    }
    this.#lookedAt = now;
    this.#standbys = seen
      .filter(({ member }) => this.others.includes(member))
      .map(({ member, state, syncState, flushedAt, repliedAt }) => {
        const reply = this.#replies.get(member);
        if (reply?.text !== repliedAt) this.#replies.set(member, { text: repliedAt, at: now });
        const heardAt = this.#replies.get(member)?.at ?? now;
        return {
          member,
          isStreaming: state === "streaming" && now - heardAt < silentMs,
          isSynchronous: syncState === "sync" || syncState === "quorum",
          flushedAt,
        };
      });
    const missing: Record<string, number> = {};
    for (const member of this.others) {
      if (this.#standbys.some((each) => each.member === member && each.isStreaming)) {
        this.#missingSince.delete(member);
        continue;
      }
      const since = this.#missingSince.get(member) ?? now;
      this.#missingSince.set(member, since);
      missing[member] = now - since;
    }
    this.#missingMs = missing;
  }
}
