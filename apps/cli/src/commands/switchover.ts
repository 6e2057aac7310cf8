import { clusterStatus, switchover, type ClusterStatus } from "@understudy/contracts";
import { CallerError, OperationalError } from "@understudy/runtime/errors";
import { NoAnswerError } from "@understudy/runtime/messages";
import type { ClusterAccess } from "../access/cluster-access.ts";
import { unknownName } from "../access/targets.ts";
import type { CommandContext } from "../command-context.ts";
import { duration } from "../render/units.ts";

const answerMs = 6_000;

/** Of the message server; a database's is in databases.ts. */
export async function switchOver(context: CommandContext, to: string | undefined): Promise<void> {
  const cluster = context.cluster();
  const before = await cluster.ask(clusterStatus, {});
  const leader = before.leader.holder.id;
  if (to !== undefined && !before.roles.alternates.includes(to)) {
    if (to === leader) throw new CallerError("refused", `${to} leads already (term ${before.leader.term}).`);
    throw unknownName("alternate", to, before.roles.alternates);
  }
  const startedAt = performance.now();
  const { from, to: next } = await handOver(cluster, to, before);
  const ms = Math.round(performance.now() - startedAt);
  context.output.show(
    { from, to: next, ms },
    (style) =>
      `${style.colours.bold(next.holder.id)} leads now (term ${next.term}); before it ${from.holder.id} (term ${from.term}). ` +
      `It took ${duration(ms)}.`,
  );
}

async function handOver(cluster: ClusterAccess, to: string | undefined, before: ClusterStatus) {
  try {
    return await cluster.ask(switchover, to === undefined ? {} : { to }, { answerMs });
  } catch (error) {
    if (!(error instanceof NoAnswerError)) throw error;
    // It may have happened. Repeating would hand the role back; looking tells.
    const after = await cluster.ask(clusterStatus, {});
    if (after.leader.term > before.leader.term && (to ?? after.leader.holder.id) === after.leader.holder.id) {
      return { from: before.leader, to: after.leader };
    }
    throw new OperationalError(
      "timeout",
      `No answer within ${answerMs / 1_000} s; now ${after.leader.holder.id} leads (term ${after.leader.term}).`,
      { cause: error },
    );
  }
}
