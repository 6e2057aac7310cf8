import { readHistory } from "@understudy/contracts";
import { CallerError } from "@understudy/runtime/errors";
import type { CommandContext } from "../command-context.ts";
import { renderHistory } from "../render/history.ts";

const most = 1_000;

export async function history(context: CommandContext, limitText: string): Promise<void> {
  const limit = Number(limitText);
  if (!Number.isInteger(limit) || limit < 1 || limit > most) {
    throw new CallerError("invalid-request", `--limit "${limitText}" is no whole number from 1 to ${most}.`);
  }
  const { entries } = await context.cluster().ask(readHistory, { limit });
  const inOrder = [...entries].sort((one, other) => one.at - other.at);
  context.output.show({ entries: inOrder }, (style) => renderHistory(inOrder, Date.now(), style));
}
