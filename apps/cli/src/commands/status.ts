import { clusterStatus, databaseStatus, type ClusterStatus } from "@understudy/contracts";
import { OperationalError } from "@understudy/runtime/errors";
import type { CommandContext } from "../command-context.ts";
import { renderStatus, statusData, type StatusFacts } from "../render/status.ts";

/**
 * What the supervisor and the message server know now. Where a local supervisor can tell its part, a silent message
 * server is a fact like others and comes back as `failure`.
 */
export async function lookAround(
  context: CommandContext,
  patienceMs?: number,
): Promise<{ readonly facts: StatusFacts; readonly failure: unknown }> {
  const cluster = context.cluster();
  const options = patienceMs === undefined ? {} : { patienceMs };
  let status: ClusterStatus | undefined;
  let failure: unknown;
  cluster.runIfLocal();
  // Asked at the same time and once: a silent db-pool is a fact, not a reason to wait.
  const databases = cluster.ask(databaseStatus, {}, { patienceMs: 0 }).catch(() => undefined);
  try {
    status = await cluster.ask(clusterStatus, {}, options);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    failure = error;
  }
  // Read after the answer: it may have come only after a takeover.
  return { facts: { now: Date.now(), run: cluster.runIfLocal(), status, databases: await databases }, failure };
}

/** What could be learnt is shown even when no message server answers; the exit code says that it was not all. */
export async function status(context: CommandContext): Promise<void> {
  const { facts, failure } = await lookAround(context);
  if (failure === undefined || facts.run !== undefined) {
    context.output.show(statusData(facts), (style) => renderStatus(facts, style));
  }
  if (failure !== undefined) throw failure;
}
