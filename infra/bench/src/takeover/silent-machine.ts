import { pause } from "@understudy/runtime";
import { canUseNetworkNamespaces, eventually } from "@understudy/testkit";
import { NamespacedCluster } from "./namespaced-cluster.ts";

/**
 * The leader's machine falls silent: packets vanish, nobody resets. Milliseconds until the app server follows the next
 * term, one per round; empty without the right to make network namespaces.
 */
export async function silentMachine(rounds: number, say: (text: string) => void): Promise<number[]> {
  if (rounds === 0) return [];
  if (!canUseNetworkNamespaces()) {
    say("silent machine: skipped, needs root and network namespaces");
    return [];
  }
  const cluster = await NamespacedCluster.start();
  const results: number[] = [];
  try {
    await pause(3_000);
    for (let round = 1; round <= rounds; round++) {
      const { id, term } = cluster.leader;
      const faultAt = Date.now();
      cluster.machines.silence(id);
      const followedMs = (await cluster.followedAfter(term)) - faultAt;
      results.push(followedMs);
      say(JSON.stringify({ measure: "silent", round, followedMs }));
      await pause(2_000);
      cluster.machines.heal();
      await eventually(
        () =>
          cluster.machines.log.some(
            ({ id: who, msg, at }) => who === id && at > faultAt && msg === "no longer leading",
          ),
        {
          withinMs: 60_000,
          describe: `${id} knows that it no longer leads`,
        },
      );
      // NATS nodes find together, streams catch up, stream leaders move.
      await pause(12_000);
    }
  } finally {
    await cluster.machines.stop();
  }
  return results;
}
