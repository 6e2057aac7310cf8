/** One round each of losing the leading message server in another way. All return milliseconds. */
import { clusterStatus, switchover } from "@understudy/contracts";
import type { LocalCluster } from "@understudy/local";
import { call, pause } from "@understudy/runtime";
import type { ClusterView, Takeover } from "./cluster-view.ts";

export interface TakeoverRound {
  /** From the fault to the first command that an app server accepted under the new term. */
  readonly acceptedMs: number;
  readonly noticedMs: number;
  readonly electedMs: number;
  readonly evidence: string;
}

const wallClock = (): number => performance.timeOrigin + performance.now();

const measured = (takeover: Takeover, faultAt: number): TakeoverRound => ({
  acceptedMs: takeover.phases.actingAt - faultAt,
  noticedMs: takeover.phases.noticedAt - faultAt,
  electedMs: takeover.phases.electedAt - faultAt,
  evidence: takeover.evidence[0]?.kind ?? "none",
});

/** kill -9 of the leading process; its supervisor starts it again after a second. */
export async function killProcess(view: ClusterView): Promise<TakeoverRound> {
  const { leader } = await view.settled();
  const pid = view.pidOf(leader.holder.id);
  const faultAt = wallClock();
  process.kill(pid, "SIGKILL");
  return measured(await view.takeoverAfter(leader.term), faultAt);
}

/** kill -9 of all processes of the leader's machine, its NATS node included. */
export async function killMachine(view: ClusterView, cluster: LocalCluster): Promise<TakeoverRound> {
  const { leader } = await view.settled();
  const machine = cluster.processes.find(({ id }) => id === leader.holder.id)?.machine ?? "";
  const faultAt = wallClock();
  await cluster.control("kill", machine);
  return measured(await view.takeoverAfter(leader.term), faultAt);
}

/** SIGSTOP of the leading process for three seconds. */
export async function freezeProcess(view: ClusterView): Promise<TakeoverRound> {
  const { leader } = await view.settled();
  const pid = view.pidOf(leader.holder.id);
  const faultAt = wallClock();
  process.kill(pid, "SIGSTOP");
  try {
    return measured(await view.takeoverAfter(leader.term), faultAt);
  } finally {
    await pause(Math.max(0, 3_000 - (wallClock() - faultAt)));
    process.kill(pid, "SIGCONT");
  }
}

/**
 * A planned switchover while a command is asked each millisecond: the longest time without an answered one. Not back to
 * back: refused at once in the gap, thousands of questions a second would take the NATS nodes from the election.
 */
export async function handOver(view: ClusterView): Promise<{ readonly gapMs: number }> {
  await view.settled();
  const stop = new AbortController();
  let gapMs = 0;
  let last = performance.now();
  const unansweredMs = () => performance.now() - last;
  const asking = (async () => {
    while (!stop.signal.aborted) {
      try {
        await call(view.connection, clusterStatus, {}, { timeoutMs: 500 });
        const now = performance.now();
        gapMs = Math.max(gapMs, now - last);
        last = now;
      } catch {
        // Asked again.
      }
      await pause(1);
    }
  })();
  await pause(100);
  gapMs = 0;
  await call(view.connection, switchover, {}, { timeoutMs: 10_000 });
  await pause(200);
  stop.abort();
  await asking;
  // A question that was still open counts with all its time.
  return { gapMs: Math.max(gapMs, unansweredMs()) };
}
