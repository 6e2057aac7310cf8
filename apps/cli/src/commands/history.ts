import { databaseHistory, readHistory, type DatabaseHistoryEntry, type HistoryEntry } from "@understudy/contracts";
import { CallerError, OperationalError } from "@understudy/runtime/errors";
import type { CommandContext } from "../command-context.ts";
import { renderHistory } from "../render/history.ts";

const most = 1_000;

export function parseLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= most) return limit;
  throw new CallerError("invalid-request", `--limit "${text}" is no whole number from 1 to ${most}.`);
}

/** What happened to the cluster and to its databases, by time. */
export async function history(context: CommandContext, limitText: string): Promise<void> {
  const limit = parseLimit(limitText);
  const [{ entries }, ofDatabases] = await Promise.all([
    context.cluster().ask(readHistory, { limit }),
    readOfDatabases(context, limit),
  ]);
  const inOrder = inOrderOfTime([...entries, ...ofDatabases]).slice(-limit);
  context.output.show({ entries: inOrder }, (style) => renderHistory(inOrder, Date.now(), style));
}

export const inOrderOfTime = <Entry extends HistoryEntry | DatabaseHistoryEntry>(entries: readonly Entry[]): Entry[] =>
  [...entries].sort((one, other) => one.at - other.at);

/** Without a db-pool the cluster's own history is shown alone: it is no reason to show nothing. */
async function readOfDatabases(context: CommandContext, limit: number): Promise<DatabaseHistoryEntry[]> {
  try {
    return (await context.cluster().ask(databaseHistory, { limit }, { patienceMs: 0 })).entries;
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    context.output.note(`Without what happened to databases: ${error.message}`);
    return [];
  }
}
